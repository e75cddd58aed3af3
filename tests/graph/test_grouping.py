import pytest
import torch
from torch import Tensor, nn

from prunus.errors import InputError
from prunus.graph import channel_groups


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.inner = nn.Conv2d(4, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.back = nn.Conv2d(6, 4, 3, padding=1)
        self.head = nn.Linear(4 * 2 * 2, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.back(self.norm(self.inner(x)).relu())
        return self.head(x.flatten(1))


def test_a_residual_sum_is_one_group() -> None:
    groups = {g.name: g for g in channel_groups(Residual(), torch.randn(2, 3, 2, 2))}
    assert list(groups) == ["stem", "inner", "head"]
    stem = groups["stem"]
    assert [m.parameter for m in stem.producers] == ["stem.weight", "stem.bias", "back.weight", "back.bias"]
    assert [(m.parameter, m.dim) for m in stem.consumers] == [("inner.weight", 1), ("head.weight", 1)]
    assert stem.consumers[1].indices[1] == (4, 5, 6, 7)  # channel 1 of four pixels
    assert [m.parameter for m in groups["inner"].buffers] == ["norm.running_mean"]
    assert [m.parameter for m in groups["inner"].divisors] == ["norm.running_var"]
    assert groups["head"].protected == "model output"


def test_a_named_layer_is_protected_with_all_it_is_joined_to() -> None:
    groups = {g.name: g for g in channel_groups(Residual(), torch.randn(2, 3, 2, 2), protect=["back"])}
    assert groups["stem"].protected == "named by the user"
    assert groups["inner"].protected is None


def test_an_unknown_layer_to_protect_is_refused() -> None:
    with pytest.raises(InputError, match="Did you mean 'stem'"):
        channel_groups(Residual(), torch.randn(2, 3, 2, 2), protect=["sten"])


def test_a_wrong_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"does not run on the example inputs.*\(2, 4, 2, 2\)"):
        channel_groups(Residual(), torch.randn(2, 4, 2, 2))


class Joined(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 2, 1)
        self.depthwise = nn.Conv2d(6, 6, 3, groups=6)
        self.head = nn.Conv2d(6, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.depthwise(torch.cat([self.a(x), self.b(x)], 1)))


def test_concatenation_keeps_track_of_positions_through_a_depthwise_convolution() -> None:
    groups = {g.name: g for g in channel_groups(Joined(), torch.randn(2, 3, 5, 5))}
    assert [(n, g.units) for n, g in groups.items()] == [("a", 4), ("b", 2), ("head", 2)]
    assert groups["b"].consumers[0].indices == ((4,), (5,))
    assert [(e.module, e.argument, e.count) for e in groups["b"].extents] == [("depthwise", "groups", 6)]
    assert groups["b"].extents[0].indices == ((4,), (5,))
