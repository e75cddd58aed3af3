import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
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
