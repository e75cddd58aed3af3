import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune as torch_prune

from prunus import cut, plan
from prunus.errors import InputError
from prunus.spec import Part, Recipe, builtin_recipes, make
from prunus.train import OPTIMIZERS, Pruner

INPUTS = torch.zeros(2, 6)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))


def pruner(model, recipe, rate, epochs=10, seed=0):
    return Pruner(model, recipe, INPUTS, rate=rate, epochs=epochs, steps_per_epoch=None, seed=seed)


def weights(model):
    return {name: value for name, value in model.state_dict().items() if name.endswith("weight")}


def test_reference_unstructured_prunes_every_layer_as_torch_does(model):
    expected = {name: value.clone() for name, value in weights(model).items()}
    for name in expected:
        layer = nn.Linear(1, 1)
        layer.weight = nn.Parameter(expected[name])
        torch_prune.l1_unstructured(layer, "weight", 0.4)
        expected[name] = layer.weight.detach()
    pruner(model, builtin_recipes()["reference-unstructured"], 0.4).after_epoch(1)
    for name, value in weights(model).items():
        assert torch.equal(value, expected[name])


def test_reference_structured_prunes_every_layer_as_torch_does(model):
    biases = {name: value.clone() for name, value in model.state_dict().items() if name.endswith("bias")}
    expected = {}
    for name, value in weights(model).items():
        layer = nn.Linear(1, 1)
        layer.weight = nn.Parameter(value.clone())
        torch_prune.ln_structured(layer, "weight", 0.4, n=2, dim=0)
        expected[name] = layer.weight.detach()
    pruner(model, builtin_recipes()["reference-structured"], 0.4).after_epoch(1)
    for name, value in weights(model).items():
        assert torch.equal(value, expected[name])
    assert all(torch.equal(model.state_dict()[name], value) for name, value in biases.items())


def test_protecting_the_output_is_the_only_difference(model):
    whole = model.state_dict()["4.weight"].clone()
    pruner(model, builtin_recipes()["reference-structured-protected"], 0.6).after_epoch(1)
    assert torch.equal(model[4].weight, whole)
    assert (model[0].weight == 0).all(dim=1).sum() == 3


def test_masks_that_are_let_go_may_regrow(model):
    one = pruner(model, builtin_recipes()["reference-unstructured"], 0.5)
    one.after_epoch(1)
    assert one.masks() == {}
    with torch.no_grad():
        model[0].weight.add_(1)
    one.step()
    assert (model[0].weight != 0).all()


@pytest.mark.parametrize(
    "optimizer",
    ["adam", {"name": "adam", "weight_decay": 0.1}, "adamw", {"name": "sgd", "weight_decay": 0.1, "nesterov": True}],
)
@pytest.mark.parametrize("recipe", ["unstructured", "structured"])
def test_no_optimizer_revives_a_permanent_zero(model, optimizer, recipe):
    optimizer = make(OPTIMIZERS, Part.model_validate(optimizer)).build(model.parameters(), 0.1)
    one = pruner(model, builtin_recipes()[recipe], 0.5, epochs=5)
    inputs, targets = torch.randn(16, 6), torch.arange(16) % 3
    zeros = {}
    for epoch in range(1, 6):
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
            one.step()
            for name, zero in zeros.items():
                assert (model.get_parameter(name)[zero] == 0).all()
        one.after_epoch(epoch)
        zeros = {name: ~mask for name, mask in one.masks().items()}
    assert zeros
    assert sum(int(zero.sum()) for zero in zeros.values()) > 20


def test_a_cubic_schedule_ends_at_the_rate_and_what_is_gone_stays_gone(model):
    one = pruner(model, builtin_recipes()["unstructured"], 0.8, epochs=10)
    gone = torch.zeros(30, dtype=torch.bool)
    for epoch in range(1, 11):
        with torch.no_grad():
            model[0].weight.copy_(torch.randn(5, 6))
        one.step()
        one.after_epoch(epoch)
        now = (model[0].weight == 0).flatten()
        assert (gone & ~now).sum() == 0
        gone = now
    assert gone.sum() == 24
    assert (model[2].weight == 0).sum() == 16
    assert (model[4].weight != 0).all()


def test_sparsity_counts_protected_layers_too(model):
    one = pruner(model, builtin_recipes()["unstructured"], 0.5, epochs=1)
    one.after_epoch(1)
    assert one.sparsity() == (15 + 10) / (30 + 20 + 12)


def test_random_draws_depend_on_the_seed_alone(model):
    recipe = Recipe(
        name="chance", pattern=Part(name="element"), criterion=Part(name="random"), schedule=Part(name="every_epoch")
    )
    state = {name: value.clone() for name, value in model.state_dict().items()}
    masks = []
    for seed in (0, 0, 1):
        model.load_state_dict(state)
        torch.manual_seed(len(masks))
        one = pruner(model, recipe, 0.5, seed=seed)
        one.after_epoch(1)
        masks.append(one.masks()["0.weight"])
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_without_a_recipe_nothing_happens(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    one = pruner(model, None, 0.0)
    one.step()
    one.after_epoch(1)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [layer.name for layer in one.layers] == ["0", "2", "4"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"criterion": Part(name="magnitud")}, "Did you mean 'magnitude'"),
        ({"criterion": Part(name="magnitude", settings={"norm": 3})}, "norm = 3"),
        ({"criterion": Part(name="magnitude", settings={"nrm": 1})}, "no setting 'nrm'. Did you mean 'norm'"),
        ({"schedule": Part(name="cubic", settings={"begin": 0.7, "end": 0.6})}, "begins at or after its end"),
        ({"pattern": Part(name="blok")}, "no pattern 'blok'"),
        ({"protect": ("outptu",)}, "Did you mean 'output'"),
    ],
)
def test_mistakes_are_told_before_anything_is_pruned(model, changes, message):
    before = model[0].weight.clone()
    with pytest.raises(InputError, match=message):
        pruner(model, builtin_recipes()["unstructured"].model_copy(update=changes), 0.5)
    assert torch.equal(model[0].weight, before)


class Told(nn.Module):
    """It returns what it hands on from inside beside its result."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x):
        features = self.first(x).relu()
        return {"features": features, "logits": self.head(self.second(features).relu())}


def pruned_by(recipe, **settings):
    model, x = Told(), torch.randn(4, 6)
    pruner = Pruner(model, recipe, x, rate=0.5, epochs=1, steps_per_epoch=1, **settings)
    groups = [one.group for one in pruner.scope.unit_sets]
    kept = plan(groups, {name: ~gone for name, gone in pruner.gone.items()})
    return model, cut(model, kept, x, outputs=settings.get("outputs")), x


ONCE = Recipe(name="once", pattern="channel", criterion="magnitude", schedule="at_init")


@pytest.mark.parametrize("outputs", [None, "logits", 1, ["log*"]])
def test_outputs_that_are_not_named_may_lose_channels_in_a_training_too(outputs):
    model, small, x = pruned_by(ONCE, outputs=outputs)
    narrow = outputs is not None
    assert [layer.out_features for layer in (small.first, small.second)] == [4 if narrow else 8, 4]
    assert torch.allclose(small(x)["logits"], model(x)["logits"], atol=1e-6)


def test_a_recipe_can_say_which_outputs_keep_their_width():
    pattern = {"name": "channel", "outputs": "logits"}
    pruner = Pruner(Told(), ONCE.model_copy(update={"pattern": Part.model_validate(pattern)}), torch.randn(4, 6))
    assert sorted(one.units for one in pruner.scope.unit_sets) == [8, 8]
    assert pruner.scope.cutter is not None  # which cuts the same channels while a study trains
    overruled = Pruner(Told(), pruner.recipe, torch.randn(4, 6), outputs="*")
    assert [one.units for one in overruled.scope.unit_sets] == [8]


@pytest.mark.parametrize("recipe", [None, "unstructured"])
def test_outputs_are_refused_where_no_channels_go(recipe):
    with pytest.raises(InputError, match="nly channels can go from what a network returns"):
        Pruner(Told(), recipe, torch.randn(4, 6), outputs="logits")


def test_an_output_that_the_network_does_not_return_is_named():
    with pytest.raises(InputError, match=r"returns no output 'logit'.*features, logits"):
        Pruner(Told(), ONCE, torch.randn(4, 6), outputs="logit")
