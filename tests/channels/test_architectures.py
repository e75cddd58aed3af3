import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

sys.path.insert(0, str(Path(__file__).parent))

from odd_networks import NETWORKS

from prunus.channels import load, save
from prunus.channels.by_name import prune_channels
from prunus.errors import InputError

WRITTEN = {  # sizes in the forward that no attribute explains: the result is the traced graph
    "const_mul",
    "dynamic_conv",
    "gqa_sdpa",
    "inplace_views",
    "maxout",
    "nn_transformer",
    "option_a",
    "rope_attention",
    "selective_scan",
    "stochastic_mean_div",
}
OVER_CHANNELS = {  # norms, means and maxima over channels: the report says so
    "channel_mean_sub",
    "groupnorm_variants",
    "mixer",
    "rmsnorm_swiglu",
    "spatial_attention",
    "transformer_encoder",
    "weight_std",
}


def tensors(result: object) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor)]


@pytest.mark.parametrize("name", NETWORKS)
def test_half_of_the_channels_go_and_the_rest_computes_the_same(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, inputs = NETWORKS[name]()
    result = prune_channels(model.eval(), inputs, 0.5)  # proves it
    assert result.report.macs.ratio < 1
    assert result.report.deviation < 1e-9
    assert result.report.form == ("graph" if name in WRITTEN else "class")
    assert bool(result.report.normalised) == (name in OVER_CHANNELS)
    arguments = inputs if isinstance(inputs, tuple) else (inputs,)
    before, after = tensors(model(*arguments)), tensors(result.model(*arguments))
    save(result.model, tmp_path / "small.safetensors")
    again = load(tmp_path / "small.safetensors", lambda: NETWORKS[name]()[0])
    assert all(torch.equal(a, b) for a, b in zip(after, tensors(again(*arguments)), strict=True))
    assert [a.shape for a in before[-1:]] == [b.shape for b in after[-1:]]
    sum(out.sum() for out in tensors(result.model.train()(*arguments))).backward()


def test_nothing_to_prune_is_said_with_the_reason() -> None:
    with pytest.raises(InputError, match=r"Nothing in this model can be pruned.*output"):
        prune_channels(torch.nn.Linear(4, 3), torch.randn(2, 4), 0.5)


def test_a_shape_that_depends_on_values_is_refused() -> None:
    class Selecting(torch.nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x)[x[:, 0] > 0]

    with pytest.raises(InputError, match=r"Selecting can't be traced.*operation index .* depends on values"):
        prune_channels(Selecting(4, 3), torch.randn(2, 4), 0.5)


def test_a_tensor_with_a_gradient_history_is_copied_without_it() -> None:
    """`copy.deepcopy` refuses it, but what a network remembers of its last call is no part of what it computes."""
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
    model[0].__dict__["remembered"] = model[0].weight * 2
    pruned = prune_channels(model, torch.randn(2, 4), 0.5)
    assert pruned.model[0].out_features == 4
