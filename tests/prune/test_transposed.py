"""Linear layers whose weights are (inputs, outputs) are pruned as the same layers the usual way round."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import prunus
from prunus.spec import Part, Recipe

pytest.importorskip("transformers", reason="transformers is not installed: pip install prunus[transformers]")

from transformers.pytorch_utils import Conv1D


def networks() -> tuple[nn.Module, nn.Module]:
    """The same network, of nn.Linear and of Conv1D."""
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 3)).eval()
    other = nn.Sequential(Conv1D(12, 8), nn.ReLU(), Conv1D(16, 12), nn.ReLU(), nn.Linear(16, 3)).eval()
    with torch.no_grad():
        for ours, theirs in zip(other, plain, strict=True):
            if isinstance(theirs, nn.Linear):
                ours.weight.copy_(theirs.weight.t() if isinstance(ours, Conv1D) else theirs.weight)
                ours.bias.copy_(theirs.bias)
    return plain, other


X = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
PATTERNS = (
    Part(name="element"),
    Part(name="element", settings={"within": "output"}),
    Part(name="nm", settings={"n": 2, "m": 4}),
    Part(name="row"),
    Part(name="block", settings={"rows": 2, "columns": 4}),
    Part(name="channel"),
)


@pytest.mark.parametrize("criterion", ["magnitude", "wanda", "gradient"])
@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_masks_are_those_of_linear_layers(pattern: Part, criterion: str) -> None:
    masks: list[dict[str, Tensor]] = []
    recipe = Recipe(
        name="r",
        pattern=pattern,
        criterion=Part(name=criterion),
        allocation=Part(name="uniform"),
        schedule=Part(name="at_init"),
    )
    for model in networks():
        samples = [(X, torch.tensor([0, 1, 2, 0, 1, 2]))]
        pruner = prunus.Pruner(model, recipe, X, rate=0.5, epochs=1, steps_per_epoch=1, samples=samples)
        masks.append(dict(pruner.masks()))
    plain, other = masks
    assert plain.keys() == other.keys() >= {"0.weight", "2.weight"}
    for name, mask in plain.items():
        turned = mask.t() if name in ("0.weight", "2.weight") else mask
        assert torch.equal(other[name], turned), name


@pytest.mark.parametrize("pattern", ["element", "nm"])
def test_they_are_reconstructed_as_linear_layers(pattern: str) -> None:
    plain, other = (prunus.reconstruct(model, [X], 0.5, pattern=pattern) for model in networks())
    assert [row.gone for row in plain.layers] == [row.gone for row in other.layers]
    torch.testing.assert_close(plain.model(X), other.model(X))
    torch.testing.assert_close(plain.model[0].weight.t(), other.model[0].weight)


def test_channels_and_costs_are_those_of_linear_layers() -> None:
    results: Any = [prunus.prune_channels(model, X, 0.5) for model in networks()]
    plain, other = results
    assert other.report.form == "class"
    assert other.report.adapted == ()
    assert (other.model[0].nf, other.model[2].nx, other.model[2].nf) == (6, 6, 8)
    torch.testing.assert_close(plain.model(X), other.model(X))
    costs = [prunus.count_cost(result.model, X) for result in results]
    assert [c.dense_macs for c in costs[0].layers] == [c.dense_macs for c in costs[1].layers]
    assert [c.units for c in costs[0].layers] == [c.units for c in costs[1].layers]


def test_an_output_that_shares_its_weight_with_an_embedding_is_protected_by_itself() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.inner, self.back = nn.Embedding(10, 8), nn.Linear(8, 16), nn.Linear(16, 8)
            self.head = nn.Linear(8, 10, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, ids: Tensor) -> Tensor:
            return self.head(self.back(self.inner(self.embed(ids)).relu()))

    recipe = Recipe(
        name="r",
        pattern=Part(name="channel"),
        criterion=Part(name="magnitude"),
        allocation=Part(name="uniform"),
        schedule=Part(name="at_init"),
    )
    pruner = prunus.Pruner(Tied(), recipe, torch.arange(6)[None], rate=0.5, epochs=1, steps_per_epoch=1)
    assert int(pruner.masks()["inner.weight"].any(1).sum()) == 8
