import pytest
import torch
from torch import Tensor, nn

from prunus.channels.by_name import prune_channels
from prunus.coupling import channel_groups
from prunus.errors import InputError


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


class Shuffled(nn.Module):
    """Half of the channels passes by a layer, and both halves are shuffled, twice: each time they must stay halves."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.two = nn.Conv2d(1, 4, 1), nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for layer in (self.one, self.two):
            left, right = x.chunk(2, 1)
            x = torch.cat([left, layer(right)], 1)
            x = x.view(x.shape[0], 2, 2, *x.shape[2:]).transpose(1, 2).reshape(x.shape)
        return self.head(x)


def test_what_ties_all_channels_of_a_group_is_said() -> None:
    groups = {group.name: group for group in channel_groups(Shuffled(), torch.randn(1, 1, 3, 3))}
    assert groups["stem"].units == 1
    assert groups["stem"].protected is not None
    assert "can only go all together, for they are laid out anew by chunk in the model's own forward" in (
        groups["stem"].protected
    )


class Windowed(nn.Module):
    """Reads a range that begins where a tensor says, as narrow does with a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).narrow(1, torch.zeros((), dtype=torch.int64), 2))


def test_a_range_that_begins_where_a_tensor_says_keeps_its_dimension_alone() -> None:
    groups = {group.name: group for group in channel_groups(Windowed(), torch.randn(2, 3, 4))}
    assert (groups["body"].units, groups["body"].protected) == (8, None)


class Wanting(nn.Module):
    """Decides by values, and takes no zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        if not x.any():
            raise ValueError("each example needs a number")
        return self.head(self.body(x))


def test_a_model_that_does_not_run_is_not_called_untraceable() -> None:
    with pytest.raises(InputError, match=r"does not run on the example inputs\. Each example needs a number"):
        channel_groups(Wanting(), torch.zeros(1, 4))


class Crossed(nn.Module):
    """Lays pixels and channels out as channels and pixels, as if they were not the other way round."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.wide, self.head = nn.Conv2d(1, 8, 1), nn.Conv2d(8, 6, 1), nn.Conv2d(6, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        pixels = x.flatten(2).transpose(1, 2)
        return self.head(self.wide(pixels.reshape(x.shape)))


@pytest.mark.parametrize("side", [2, 4])
def test_channels_that_pixels_are_laid_out_across_stay(side: int) -> None:
    groups = {group.name: group for group in channel_groups(Crossed(), torch.randn(2, 1, side, side))}
    assert groups["body"].protected is not None
    assert "laid out across its dimensions" in groups["body"].protected
    assert groups["wide"].protected is None


class Stacked(nn.Module):
    """Stacks every two frames along the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(3, 4), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        return self.head(x.reshape(x.shape[0], x.shape[1] // 2, -1))


def test_stacked_frames_lose_the_same_channels() -> None:
    groups = {group.name: group for group in channel_groups(Stacked(), torch.randn(2, 6, 3))}
    assert (groups["body"].units, groups["body"].protected) == (4, None)
    assert groups["body"].consumers[0].indices[1] == (1, 5)


class Kernels(nn.Module):
    """Makes a kernel of 5 for each token and head, which it lays out as rows of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(3, 4 * 5), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        kernels = self.body(x).reshape(-1, 5).softmax(-1)
        return self.head(kernels.sum(-1).view(*x.shape[:2], 4))


def test_rows_of_heads_are_followed() -> None:
    groups = {group.name: group for group in channel_groups(Kernels(), torch.randn(2, 6, 3))}
    assert (groups["body"].units, groups["body"].protected) == (4, None)


class Attends(nn.Module):
    """Attention by torch's own module, which lays samples and heads out as one dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(16, 4, batch_first=True), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.attention(x, x, x)[0])


@pytest.mark.parametrize("samples", [1, 2, 4, 16])
def test_as_many_samples_as_heads_or_channels_are_no_reason_to_keep_heads(samples: int) -> None:
    groups = {group.name: group for group in channel_groups(Attends(), torch.randn(samples, 5, 16))}
    assert (groups["attention"].units, groups["attention"].protected) == (4, None)


def test_a_rewritten_graph_takes_as_many_samples_as_it_had_heads_in_another_precision() -> None:
    model = Attends().eval()
    small = prune_channels(model, torch.randn(2, 5, 16), 0.5).model.double()
    assert small(torch.randn(4, 5, 16, dtype=torch.float64)).shape == (4, 5, 3)
