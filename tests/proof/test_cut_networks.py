"""Cut networks agree with the masked ones whichever way they are called, with the fewest attributes changed."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunus.channels import Pruned, load, save
from prunus.channels.by_name import prune_channels
from prunus.channels.verify import verify

IDS = torch.arange(12).reshape(2, 6)


def changed(before: nn.Module, after: nn.Module, name: str) -> dict[str, tuple[int, int]]:
    """Modules of which this attribute is another one."""
    pairs = zip(before.named_modules(), after.modules(), strict=True)
    return {
        p: (getattr(a, name), getattr(b, name)) for (p, a), b in pairs if getattr(a, name, 0) != getattr(b, name, 0)
    }


class Block(nn.Module):
    """Attention over 4 heads of 8, with numbers around it that are 4 and mean something else."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index, self.window, self.n_head = index, 4, 4
        self.strides = [4, 2]
        self.order = (0, 2, 1, 3)
        self.calls_before_reset = 4
        self.qkv, self.out = nn.Linear(16, 96), nn.Linear(32, 16)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        n, t, _ = x.shape
        q, k, v = (part.view(n, t, self.n_head, 8).permute(self.order) for part in self.qkv(x).chunk(3, -1))
        bias = None if mask is None else torch.where(mask[:, None, None] > 0, 0.0, -1e9).to(x)
        y = F.scaled_dot_product_attention(q, k, v, bias).permute(self.order).flatten(2)
        if t > 4:  # which a short example does not show
            y = y - y[:, -self.window :].mean(1, keepdim=True)
        return x + self.out(y) * (1 + self.index)


class Net(nn.Module):
    def __init__(self, depth: int = 5) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 16)
        self.blocks = nn.ModuleList(Block(i) for i in range(depth))
        self.head = nn.Linear(16, 3)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, mask)
        return self.head(x)


def pruned(net: nn.Module, **inputs: Tensor) -> Pruned:
    return prune_channels(net.eval(), inputs, 0.5, protect=("embed",))


def test_only_the_attribute_that_the_forward_uses_as_the_size_changes() -> None:
    torch.manual_seed(0)
    net = Net()
    result = pruned(net, ids=IDS)
    assert result.report.form == "class"
    assert result.report.adapted == tuple(f"blocks.{i}.n_head" for i in range(5))
    for name in ("index", "window", "strides", "order", "calls_before_reset"):
        assert not changed(net, result.model, name)


def test_what_an_example_does_not_show_is_shown_by_another_length() -> None:
    """`window` is used from 5 tokens on; the example has 4."""
    torch.manual_seed(0)
    net = Net()
    result = pruned(net, ids=IDS[:, :4])
    assert not changed(net, result.model, "window")
    assert {way.name for way in result.report.ways if way.outcome == "agrees"} >= {"5 in place of 4", "with mask"}


class MaskedOnly(nn.Module):
    """`repeats` is used where there is a mask, and only there; it follows the number of heads."""

    def __init__(self) -> None:
        super().__init__()
        self.heads, self.repeats = 4, 4
        self.up, self.back, self.head = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        y = self.up(x).unflatten(-1, (self.heads, 4)).relu()
        if mask is not None:
            y = y * mask[..., None, None].to(y).expand(*mask.shape, self.repeats, 1)
        return self.head(self.back(y.flatten(-2)))


def test_what_only_a_mask_reads_is_adapted_for_the_mask() -> None:
    torch.manual_seed(0)
    net = MaskedOnly().eval()
    result = prune_channels(net, {"x": torch.randn(2, 5, 8)}, 0.5)
    assert result.report.form == "class"
    assert sorted(result.report.adapted) == ["heads", "repeats"]
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    assert result.model(torch.randn(2, 5, 8), mask).shape == (2, 5, 2)


@dataclass
class Sizes:
    heads: int = 4
    layers: int = 4
    nested: dict[str, Any] = field(default_factory=lambda: {"per_head": [8, 4]})


class Configured(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.config = Sizes()
        self.up, self.out, self.head = nn.Linear(6, 32), nn.Linear(32, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(x).view(*x.shape[:-1], self.config.heads, self.config.nested["per_head"][0])
        return self.head(self.out((y * y.sum(-1, keepdim=True)).flatten(-2)))


@pytest.mark.parametrize(("heads", "adapted"), [("whole", "config.heads"), ("dimensions", "config.nested.per_head[0]")])
def test_numbers_in_configurations_change_alone_and_are_saved(heads: Any, adapted: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, x = Configured().eval(), torch.randn(3, 6)
    result = prune_channels(net, x, 0.5, heads=heads)
    assert result.report.adapted == (adapted,)
    assert net.config == Sizes()
    save(result.model, tmp_path / "small.safetensors")
    again = load(tmp_path / "small.safetensors", build=Configured)
    assert torch.equal(again(x), result.model(x))
    assert again.config == result.model.config


def test_a_file_that_names_an_integer_which_the_model_has_not_is_refused(tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    from prunus.errors import InputError

    net = Net(1).eval()
    save(pruned(net, ids=IDS).model, tmp_path / "small")
    with safe_open(tmp_path / "small", "pt") as file:
        header = json.loads(file.metadata()["prunus"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header["attributes"][0]["path"] = ["forward", "__globals__"]
    save_file(tensors, tmp_path / "other", {"prunus": json.dumps(header)})
    with pytest.raises(InputError, match="no number"):
        load(tmp_path / "other", build=lambda: Net(1))


def test_two_numbers_that_are_equal_are_told_apart() -> None:
    """Heads and their size are both 4, and one of them changes."""

    class Equal(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads = self.size = self.depth = 4
            self.up, self.out, self.head = nn.Linear(6, 16), nn.Linear(16, 6), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            y = self.up(x).view(*x.shape[:-1], self.heads, self.size).softmax(-1)
            return self.head(self.out(y.flatten(-2)))

    torch.manual_seed(0)
    result = prune_channels(Equal().eval(), torch.randn(3, 6), 0.5)
    assert (result.report.form, result.report.adapted) == ("class", ("heads",))


def test_batches_and_training_are_compared_and_told() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    report = prune_channels(nn.Sequential(net, nn.Linear(8, 2)).eval(), torch.randn(2, 3, 8, 8), 0.5).report
    assert "and in other ways of calling it: 4 in place of 8; a batch of 3; 9 in place of 8; " in str(report)
    assert all(way.outcome == "agrees" for way in report.ways)


class Long(nn.Module):
    """From 6 tokens on a size is written into the forward."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x).relu()
        return self.b(y.reshape(*y.shape[:2], 8) if x.shape[1] > 5 else y)


def test_a_length_at_which_the_class_fails_is_tried_and_told() -> None:
    result = prune_channels(Long().eval(), torch.randn(2, 5, 4), 0.5)
    way = next(way for way in result.report.ways if way.name == "6 in place of 5")
    if way.outcome == "agrees":
        assert result.model(torch.randn(2, 6, 4)).shape == (2, 6, 2)
    else:
        assert way.outcome == "refused"
        assert f"not taken, though the unpruned model takes it: {way}" in str(result.report)


def test_a_network_agrees_with_itself() -> None:
    one = nn.Sequential(nn.Linear(3, 3))
    assert verify(one, one, torch.randn(2, 3)) == 0.0


def test_a_number_of_heads_is_found_where_only_its_product_is_written() -> None:
    """A fused projection is sliced at heads * size; that they are 4 and 8 is written nowhere."""

    class Fused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads, self.size, self.groups = 4, 8, 4
            self.qkv, self.out, self.head = nn.Linear(6, 96), nn.Linear(32, 6), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            width, qkv = self.heads * self.size, self.qkv(x)
            parts = qkv[..., :width], qkv[..., width : 2 * width], qkv[..., 2 * width :]
            q, k, v = (part.view(*x.shape[:-1], -1, self.size).transpose(1, 2) for part in parts)
            y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
            return self.head(self.out(y.flatten(-2)))

    torch.manual_seed(0)
    result = prune_channels(Fused().eval(), torch.randn(2, 3, 6), 0.5)
    assert (result.report.form, result.report.adapted) == ("class", ("heads",))
