"""Attention of Llama's kind: rotary frequencies tie the dimensions of heads, several query heads share keys."""

from typing import Literal

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prunus.coupling import channel_groups

HEADS, SIZE = 4, 6
WIDTH = 10
X = torch.randn(2, 5, WIDTH)


def rotated(x: Tensor, angle: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], -1)
    return x * angle.cos() + turned * angle.sin()


class Attention(nn.Module):
    """Two layers share the table of frequencies, as in every network of this kind."""

    def __init__(self, shared: int, normed: bool = False, fused: bool = False, grouped: bool = False) -> None:
        super().__init__()
        self.shared, self.fused, self.grouped = shared, fused, grouped
        rows = (HEADS + 2 * shared) * SIZE
        self.qkv = nn.ModuleList(nn.Linear(WIDTH, rows) for _ in range(2)) if fused else nn.ModuleList()
        split = (HEADS * SIZE, shared * SIZE, shared * SIZE)
        kinds = [] if fused else [nn.ModuleList(nn.Linear(WIDTH, size) for size in split) for _ in range(2)]
        self.apart = nn.ModuleList(kinds)
        self.norm = nn.RMSNorm(SIZE) if normed else nn.Identity()
        self.out = nn.ModuleList(nn.Linear(HEADS * SIZE, WIDTH) for _ in range(2))
        self.register_buffer("frequencies", torch.rand(SIZE // 2))

    def forward(self, x: Tensor) -> Tensor:
        for layer in range(2):
            x = x + self.attended(x, layer)
        return x

    def attended(self, x: Tensor, layer: int) -> Tensor:
        if self.fused:
            parts = self.qkv[layer](x).split([HEADS * SIZE, self.shared * SIZE, self.shared * SIZE], -1)
        else:
            parts = [projection(x) for projection in self.apart[layer]]
        q, k, v = (part.view(*x.shape[:2], -1, SIZE).transpose(1, 2) for part in parts)
        angle = torch.arange(x.shape[1])[:, None] * self.frequencies
        angle = torch.cat([angle, angle], -1)
        q, k = (rotated(self.norm(each), angle) for each in (q, k))
        if not self.grouped:
            k, v = (self.repeated(each) for each in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, enable_gqa=self.grouped)
        return self.out[layer](y.transpose(1, 2).flatten(2))

    def repeated(self, x: Tensor) -> Tensor:
        n, shared, t, size = x.shape
        return x[:, :, None].expand(n, shared, HEADS // self.shared, t, size).reshape(n, -1, t, size)


def units(model: nn.Module, heads: Literal["whole", "dimensions"]) -> dict[str, tuple[int, set[int]]]:
    """Tensor -> how many units its rows have, and how many rows each unit takes."""
    groups = [group for group in channel_groups(model, X, heads=heads) if group.protected is None]
    members = [(group.units, member) for group in groups for member in group.members]
    return {m.parameter: (count, set(map(len, m.indices))) for count, m in members if "norm" not in m.parameter}


@pytest.mark.parametrize("shared", [2, 4])
@pytest.mark.parametrize(("normed", "grouped"), [(False, False), (True, False), (False, True)])
def test_heads_go_whole_with_the_keys_they_share(shared: int, normed: bool, grouped: bool) -> None:
    found = units(Attention(shared, normed, grouped=grouped), "whole")
    for layer in range(2):
        assert found[f"apart.{layer}.0.weight"] == (shared, {HEADS // shared * SIZE})
        assert found[f"apart.{layer}.1.weight"] == found[f"apart.{layer}.2.weight"] == (shared, {SIZE})
        assert found[f"out.{layer}.weight"] == (shared, {HEADS // shared * SIZE})
    assert "frequencies" not in found


@pytest.mark.parametrize("grouped", [False, True])
def test_heads_that_share_one_head_of_keys_go_alone(grouped: bool) -> None:
    found = units(Attention(shared=1, grouped=grouped), "whole")
    assert found["apart.0.0.weight"] == found["out.0.weight"] == (HEADS, {SIZE})
    assert found.keys().isdisjoint({"apart.0.1.weight", "apart.0.2.weight"})


def test_heads_go_whole_out_of_one_projection_of_all() -> None:
    found = units(Attention(shared=2, fused=True), "whole")
    assert found["qkv.0.weight"] == (2, {(HEADS // 2 + 2) * SIZE})


def test_dimensions_of_heads_go_in_the_pairs_that_are_rotated_everywhere() -> None:
    found = units(Attention(shared=2), "dimensions")
    assert found["frequencies"] == (SIZE // 2, {1})
    assert found["apart.0.0.weight"] == found["apart.1.0.weight"] == (SIZE // 2, {2 * HEADS})
    assert found["apart.0.2.weight"] == (SIZE, {2})
