import pytest
import torch
from hypothesis import given, strategies as st
from torch import nn
from torch.nn.utils import prune as torch_prune

from prunus.prune import apply_masks, lowest, sparsity

numbers = st.lists(
    st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]) | st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60
)


@given(numbers, st.integers(-3, 70))
def test_exactly_so_many_go_and_none_that_is_higher_than_one_that_stays(values, count):
    scores = torch.tensor(values)
    gone = lowest(scores, count)
    assert int(gone.sum()) == min(max(count, 0), len(values))
    if gone.any() and not gone.all():
        assert scores[gone].max() <= scores[~gone].min()


MANY = 200_000
DRAWN = torch.rand(MANY, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("share", [0.0001, 0.1, 0.5, 0.8, 0.95, 0.9999])
@pytest.mark.parametrize(
    "scores",
    [
        DRAWN,
        DRAWN.double() - 0.5,
        DRAWN.masked_fill(DRAWN < 0.5, -torch.inf),  # what is gone already
        DRAWN * (DRAWN > 0.9),
        (DRAWN * 3).floor(),
        torch.ones(MANY),
        DRAWN.sort().values,
        torch.arange(MANY) % 48.0,  # of which a sample at equal distances sees little
        torch.where(torch.arange(MANY) % 48 == 0, 1.0, DRAWN),
        DRAWN.masked_fill(DRAWN > 0.7, torch.inf),
    ],
    ids=["drawn", "double", "gone", "zeros", "few values", "equal", "sorted", "sawtooth", "misleading", "infinite"],
)
def test_of_many_the_lowest_go_and_the_first_of_equals(scores, share):
    count = round(share * MANY)
    expected = torch.zeros(MANY, dtype=torch.bool)
    expected[scores.argsort(stable=True)[:count]] = True
    assert torch.equal(lowest(scores, count), expected)


def test_among_equal_scores_the_first_go_first():
    assert lowest(torch.zeros(4), 2).tolist() == [True, True, False, False]
    assert lowest(torch.tensor([1.0, 0.0, 1.0, 1.0]), 2).tolist() == [True, True, False, False]


def test_what_is_gone_goes_first_again():
    assert lowest(torch.tensor([0.1, float("-inf"), 0.2]), 1).tolist() == [False, True, False]


@pytest.mark.parametrize("amount", [0.0, 0.2, 0.5, 0.8, 0.99])
@pytest.mark.parametrize("shape", [(7, 5), (4, 3, 3, 3), (1, 9)])
def test_the_same_weights_go_as_in_torch(amount, shape):
    torch.manual_seed(0)
    layer = nn.Linear(1, 1)
    layer.weight = nn.Parameter(torch.randn(shape))
    gone = lowest(layer.weight.detach().abs().flatten(), round(amount * layer.weight.numel())).reshape(shape)
    torch_prune.l1_unstructured(layer, "weight", amount)
    assert torch.equal(~gone, layer.weight_mask.bool())


def test_masks_zero_what_they_leave_out():
    layer = nn.Linear(2, 2)
    nn.init.constant_(layer.weight, 3.0)
    apply_masks(layer, {"weight": torch.tensor([[True, False], [False, True]])})
    assert layer.weight.tolist() == [[3.0, 0.0], [0.0, 3.0]]


def test_negative_zero_is_zero():
    assert sparsity([torch.tensor([-0.0, 1.0])]) == 0.5


def test_sparsity_of_nothing_is_zero():
    assert sparsity([]) == 0.0
