"""Random small networks: a list of blocks, each an equation on feature maps, drawn by hypothesis."""

from __future__ import annotations

from collections.abc import Callable

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 4


class Plain(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv, self.norm, self.out = nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), width

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).relu()


class Residual(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Conv2d(channels, width, 1), nn.Conv2d(width, channels, 1, bias=False), channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.b(F.gelu(self.a(x)))


class Dense(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(channels, width, 3, padding=1), channels + width

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.conv(x).sigmoid(), x], 1)


class Split(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.sizes = [1, channels - 1] if channels > 1 else [1]
        self.last, self.out = nn.Conv2d(self.sizes[-1], width, 1), channels - self.sizes[-1] + width

    def forward(self, x: Tensor) -> Tensor:
        *rest, last = x.split(self.sizes, 1)
        return torch.cat([*rest, self.last(last)], 1)


class Halves(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.both, self.out = nn.Conv2d(channels, 2 * width, 1), width

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.both(x).chunk(2, 1)
        return value * gate.sigmoid()


class Gated(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.both, self.out = nn.Conv2d(channels, 2 * width, 1), width

    def forward(self, x: Tensor) -> Tensor:
        return F.glu(self.both(x), 1)


class Depthwise(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(channels, 2 * channels, 3, padding=1, groups=channels), 2 * channels

    def forward(self, x: Tensor) -> Tensor:
        return F.hardswish(self.conv(x))


class Grouped(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.enter, self.conv = nn.Conv2d(channels, 6, 1), nn.Conv2d(6, 9, 3, padding=1, groups=3)
        self.out = 9

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.enter(x).relu())


class Shuffled(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.enter, self.out = nn.Conv2d(channels, 8, 1), 8

    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        return self.enter(x).view(n, 2, 4, h, w).transpose(1, 2).flatten(1, 2)


class Excited(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.down, self.up, self.out = nn.Conv2d(channels, width, 1), nn.Conv2d(width, channels, 1), channels

    def forward(self, x: Tensor) -> Tensor:
        return x * self.up(self.down(x.mean((2, 3), keepdim=True)).relu()).sigmoid()


class Upsampled(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(channels, 4 * width, 1), width

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(F.pixel_shuffle(self.conv(x), 2), 2)


class GroupNormed(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv, self.norm, self.out = nn.Conv2d(channels, 6, 1), nn.GroupNorm(3, 6), 6

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class Scaled(nn.Module):
    """A parameter used outside modules, and padding by channels of zeros."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.scale, self.out = nn.Parameter(torch.randn(channels, 1, 1)), channels + 2

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x * self.scale, (0, 0, 0, 0, 1, 1))


class Attention(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.norm, self.qkv, self.proj = nn.LayerNorm(channels), nn.Linear(channels, 24), nn.Linear(8, channels)
        self.out = channels

    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(self.norm(tokens)).reshape(n, h * w, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, h * w, -1)
        return (tokens + self.proj(y)).transpose(1, 2).reshape(n, -1, h, w)


class GroupedQueries(nn.Module):
    """Two heads of the queries to each of keys and values, products written out."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(channels, n) for n in (12, 6, 6))
        self.proj, self.out = nn.Linear(12, channels), channels

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = (f(tokens).unflatten(-1, (-1, 3)).transpose(1, 2) for f in (self.q, self.k, self.v))
        k, v = (t.repeat_interleave(2, 1) for t in (k, v))
        y = ((q @ k.transpose(-2, -1)) * 0.5).softmax(-1) @ v
        return x + self.proj(y.transpose(1, 2).flatten(2)).transpose(1, 2).unflatten(2, (h, w))


BLOCKS: tuple[Callable[[int, int], nn.Module], ...] = (
    Plain,
    Residual,
    Dense,
    Split,
    Halves,
    Gated,
    Depthwise,
    Grouped,
    Shuffled,
    Excited,
    Upsampled,
    GroupNormed,
    Scaled,
    Attention,
    GroupedQueries,
)


class RandomNetwork(nn.Module):
    """A stem, blocks, and a head that reads flattened pixels or their mean."""

    def __init__(self, blocks: list[int], widths: list[int], flat: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 1)
        channels, made = 4, []
        for block, width in zip(blocks, widths, strict=True):
            made.append(BLOCKS[block](channels, width))
            channels = made[-1].out
        self.blocks, self.flat = nn.Sequential(*made), flat
        self.head = nn.Linear(channels * (SIDE * SIDE if flat else 1), 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.stem(x))
        return self.head(x.flatten(1) if self.flat else x.mean((2, 3)))


@st.composite
def networks(draw: st.DrawFn) -> RandomNetwork:
    blocks = draw(st.lists(st.integers(0, len(BLOCKS) - 1), min_size=1, max_size=4))
    widths = draw(st.lists(st.integers(1, 5), min_size=len(blocks), max_size=len(blocks)))
    torch.manual_seed(draw(st.integers(0, 1000)))
    return RandomNetwork(blocks, widths, draw(st.booleans())).eval()
