import pytest
import torch
from torch import nn

from prunus.channels import DifferenceError, Plan, cut, masked, plan, unit_masks, verify
from prunus.coupling import channel_groups
from prunus.errors import InputError


def chain() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.Flatten(), nn.Linear(3 * 4, 2))


X = torch.randn(2, 1, 6, 6)


def test_the_cut_model_is_smaller_and_the_same_as_the_masked_one() -> None:
    model = chain()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    chosen = plan(channel_groups(model, X), {"0": [1, 3], "2": [True, False, True]})
    small = cut(model, chosen, X)
    assert [tuple(p.shape) for p in small.parameters()] == [(2, 1, 3, 3), (2,), (2, 2, 3, 3), (2,), (2, 8), (2,)]
    assert (small[0].out_channels, small[2].in_channels, small[4].in_features) == (2, 2, 8)
    assert verify(masked(model, chosen), small, X) < 1e-12
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_plan_survives_json() -> None:
    chosen = plan(channel_groups(chain(), X), {"0": [0]})
    assert Plan.from_json(chosen.model_dump_json()) == chosen
    assert chosen.by_tensor()["2.weight"] == {1: (1, 2, 3)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "should be an object"),
        ('{"removed": {}', "Invalid JSON"),
        ('{"removed": {}, "cuts": [], "run": "code"}', "'run': "),
        ('{"removed": {}, "cuts": [{"tensor": "w", "dim": 0, "removed": [-1]}]}', r"'cuts\.0\.removed\.0': "),
    ],
)
def test_what_is_no_plan_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=f"not a plan of a cut.*{message}"):
        Plan.from_json(text)


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ({"4": [0]}, "Model output"),
        ({"0": []}, "Nothing would be left"),
        ({"0": [7]}, "no unit 7"),
        ({"0": [True]}, "has 4 units, not 1"),
        ({"1": [0]}, "no channel group '1'"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(keep: dict[str, list[int]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan(channel_groups(chain(), X), keep)


def test_a_plan_for_another_model_is_refused() -> None:
    chosen = plan(channel_groups(chain(), X), {"0": [0]})
    with pytest.raises(InputError, match=r"plan does not fit '2\.weight'"):
        cut(nn.Sequential(nn.Conv2d(1, 4, 3)), chosen, X)


def test_a_wrong_cut_is_refused_and_the_layer_named() -> None:
    model = chain()
    chosen = plan(channel_groups(model, X), {"0": [1, 3]})
    wrong = cut(model, chosen, X)
    with torch.no_grad():
        wrong[2].weight += 1
    with pytest.raises(DifferenceError, match="layer '2'"):
        verify(masked(model, chosen), wrong, X)


def test_masks_of_a_group_are_false_where_units_go() -> None:
    model = chain()
    group = channel_groups(model, X)[0]
    masks = unit_masks(group, [0, 1, 2], {name: p.shape for name, p in model.named_parameters()})
    assert {name: int((~mask).sum()) for name, mask in masks.items()} == {"0.weight": 9, "0.bias": 1, "2.weight": 27}
    assert not masks["2.weight"][:, 3].any()
