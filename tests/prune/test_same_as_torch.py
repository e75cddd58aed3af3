"""Masks of whole networks equal those of `torch.nn.utils.prune`, bit for bit where no two weights are of one size."""

import copy

import pytest
import torch
import torchvision
from torch import nn
from torch.nn.utils import prune as torch_prune

from prunus.models import build_model
from prunus.spec import Part, Recipe
from prunus.train import Pruner, derive

IMAGES = torch.zeros(1, 3, 32, 32)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 5)

    def forward(self, x):
        return self.head(self.encoder(x).mean(1))


NETWORKS = {
    "resnet18": (lambda: torchvision.models.resnet18(num_classes=10), IMAGES),
    "vgg11": (lambda: build_model(Part(name="vgg11"), (3, 32, 32), 10), IMAGES),
    "mobilenet_v2": (lambda: torchvision.models.mobilenet_v2(num_classes=10), IMAGES),
    "transformer": (Encoder, torch.zeros(1, 7, 32)),
    "mlp": (lambda: build_model(Part(name="mlp"), (1, 28, 28), 10), torch.zeros(1, 1, 28, 28)),
    "conv1d": (
        lambda: nn.Sequential(nn.Conv1d(4, 16, 5), nn.ReLU(), nn.Conv1d(16, 8, 3, groups=2)),
        torch.zeros(1, 4, 16),
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    torch.manual_seed(0)
    build, inputs = NETWORKS[request.param]
    return build().eval(), inputs


def masks_of(network, rate, pattern="element", allocation="uniform", **criterion):
    """The masks by the name of the layer, and of each the module and parameter of a copy for torch to prune."""
    model, inputs = network
    recipe = Recipe(
        name="same",
        pattern=Part(name=pattern),
        criterion=Part(name=criterion.pop("name", "magnitude"), settings=criterion),
        allocation=Part.model_validate(allocation),
        schedule=Part(name="at_init"),
        protect=(),
    )
    pruner = Pruner(copy.deepcopy(model), recipe, inputs, rate=rate, epochs=1, steps_per_epoch=1, seed=5)
    twin = copy.deepcopy(model)
    layers = {layer.name: (twin.get_submodule(layer.module), layer.weight.split(".")[-1]) for layer in pruner.layers}
    return {layer.name: pruner.masks()[layer.weight] for layer in pruner.layers}, layers


def assert_same(masks, layers):
    assert masks
    for name, (layer, weight) in layers.items():
        assert torch.equal(masks[name], getattr(layer, f"{weight}_mask").bool()), name


def assert_same_but_for_ties(masks, layers):
    """As many are left, and where masks differ all weights are of one size: which of equals go, torch leaves open."""
    ours = torch.cat([masks[name].flatten() for name in layers])
    theirs = torch.cat([getattr(layer, f"{weight}_mask").flatten().bool() for layer, weight in layers.values()])
    sizes = torch.cat([getattr(layer, f"{weight}_orig").detach().abs().flatten() for layer, weight in layers.values()])
    assert int(ours.sum()) == int(theirs.sum())
    assert len(sizes[ours != theirs].unique()) <= 1


@pytest.mark.parametrize("rate", [0.3, 0.9])
def test_l1(network, rate):
    masks, layers = masks_of(network, rate)
    for layer in layers.values():
        torch_prune.l1_unstructured(*layer, rate)
    for name, layer in layers.items():
        assert_same_but_for_ties(masks, {name: layer})


@pytest.mark.parametrize("norm", [1, 2])
def test_ln_structured(network, norm):
    masks, layers = masks_of(network, 0.5, "row", norm=norm)
    for layer in layers.values():
        torch_prune.ln_structured(*layer, 0.5, norm, 0)
    assert_same(masks, layers)


def test_random_given_the_generator(network):
    masks, layers = masks_of(network, 0.5, name="random")
    for name, layer in layers.items():
        torch.manual_seed(derive(5, "criterion", name, 0))
        torch_prune.random_unstructured(*layer, 0.5)
    assert_same(masks, layers)


def test_global_l1(network):
    # at a rate at which torch leaves something of each layer, as prunus always does
    masks, layers = masks_of(network, 0.3, allocation={"name": "global", "floor": 0})
    torch_prune.global_unstructured(list(layers.values()), pruning_method=torch_prune.L1Unstructured, amount=0.3)
    assert_same_but_for_ties(masks, layers)
