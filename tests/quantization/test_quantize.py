"""Networks that compute with rounded numbers: which layers, what ranges, and what training makes of them."""

import copy

import pytest
import torch
from torch import nn

import prunus
from prunus.quantization import detach, quantized_layers, reattach


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 3)
    )


def inputs(count=64):
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def test_layers_get_the_bits_that_the_order_of_precedence_gives_them():
    model = network()
    bits = {
        "weights": 4,
        "activations": 6,
        "layers": [{"name": "re:[06]", "weights": 3}, {"name": "0", "weights": 2, "activations": 5}],
    }
    assert prunus.quantize(model, [inputs()], bits).layers == {"0": (2, 5), "3": (4, 6), "6": (3, 8)}
    assert prunus.quantize(network(), [inputs()], {"ignore": ["0", "6"]}).layers == {"3": (8, 8)}


def test_eight_bits_change_little_and_fewer_change_more():
    wanted, errors = network().eval()(inputs()).detach(), []
    for bits in (8, 4, 2):
        model = network().eval()
        prunus.quantize(model, [inputs()], {"weights": bits, "activations": bits, "first_last": bits})
        errors.append(float((model(inputs()).detach() - wanted).square().mean() / wanted.square().mean()))
    assert errors[0] < 1e-3 < errors[1] < errors[2]


def test_what_is_taken_off_is_put_back_bit_by_bit():
    model = network().eval()
    prunus.quantize(model, [inputs()], {"weights": 3})
    expected, plain = model(inputs()), copy.deepcopy(model)
    scheme = detach(plain)
    assert not quantized_layers(plain)
    assert [type(one) for one in plain] == [type(one) for one in network()]
    reattach(plain, scheme)
    assert plain(inputs()).equal(expected)


@pytest.mark.parametrize("ranges", ["min-max", "mse", "percentile"])
def test_an_output_of_zeros_and_an_input_of_zeros_stay_zeros(ranges):
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    with torch.no_grad():
        model[0].weight[1] = 0
        model[0].weight[:, 2] = -0.0
        model[0].bias.fill_(-9)
    prunus.quantize(model, [torch.rand(32, 4)], {"ranges": ranges})
    rounded = model[0].weight_quantizer(model[0].weight)
    assert not rounded[1].any()
    assert not rounded[:, 2].any()
    assert not torch.signbit(rounded[:, 2]).any()
    assert torch.isfinite(model(torch.rand(32, 4))).all()
    assert float(model[2].input_quantizer.scale) == 1  # nothing came through the ReLU


def test_folding_a_normalisation_changes_no_integer():
    """What is multiplied by a factor for each output, of either sign, is rounded to the same integers."""
    weight, factor = torch.randn(5, 7), torch.tensor([2.0, -0.3, 1e-4, 1.0, 40.0])
    layers = [nn.Linear(7, 5), nn.Linear(7, 5)]
    with torch.no_grad():
        layers[0].weight.copy_(weight)
        layers[1].weight.copy_(weight * factor[:, None])
    for layer in layers:
        prunus.quantize(layer, [torch.randn(16, 7)], {"weights": 4, "first_last": 4})
    plain, folded = (layer.weight_quantizer.integers(layer.weight) for layer in layers)
    assert folded.equal(plain * factor.sign()[:, None].to(torch.int8))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused_with_the_layers_name(value):
    model, batch = network(), inputs()
    with torch.no_grad():
        model[3].weight[0, 0, 0, 0] = value
    with pytest.raises(
        prunus.InputError, match=r"The layer '3' cannot be quantised. Its weight has values that are not"
    ):
        prunus.quantize(model, [batch])
    assert not quantized_layers(model)
    batch[0, 0, 0, 0] = value
    with pytest.raises(
        prunus.InputError, match=r"The layer '0' cannot be quantised. Its input has values that are not"
    ):
        prunus.quantize(network(), [batch])


@pytest.mark.parametrize(
    ("given", "bits", "message"),
    [
        (torch.ones(8, 1, 8, 8), {}, "All of their numbers are 1, so that they tell no range"),
        (torch.ones(8, 3), {}, "does not run on"),
        (inputs(), {"weights": 1}, "'weights' is 1: a precision is a whole number of bits from 2 to 8, or 32"),
        (inputs(), {"activations": 33}, "'activations' is 33: a precision is"),
        (inputs(), {"weights": True}, "'weights' is True: a precision is"),
        (inputs(), {"weight": 8}, "The key 'weight' is unknown. Did you mean 'weights'"),
        (inputs(), {"ignore": ["conv"]}, "said of 'conv', which is not in the network"),
        (inputs(), {"ignore": ["re:["]}, "no regular expression"),
        (inputs(), {"weights": 32, "activations": 32}, "nothing to quantise"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(given, bits, message):
    with pytest.raises(prunus.InputError, match=message.replace("[", r"\[")):
        prunus.quantize(network(), [given], bits)


def test_a_layer_of_another_class_keeps_its_bits_and_is_named():
    class Doubled(nn.Linear):
        def forward(self, values):
            return 2 * super().forward(values)

    model = nn.Sequential(nn.Linear(4, 4), Doubled(4, 4), nn.Linear(4, 2))
    found = prunus.quantize(model, [torch.randn(8, 4)])
    assert set(found.layers) == {"0", "2"}
    assert "of the class Doubled" in found.left["1"]
    with pytest.raises(prunus.InputError, match="quantised already"):
        prunus.quantize(model, [torch.randn(8, 4)])


def test_learned_ranges_lower_the_loss_and_no_zero_comes_back():
    model = network()
    recipe = prunus.Recipe(
        name="both",
        pattern="element",
        schedule={"name": "one_shot", "at": 0.2},
        bits={"weights": 3, "activations": 3, "when": "aware", "begin": 0.4},
    )
    batch, targets = inputs(), torch.arange(64) % 3
    pruner = prunus.Pruner(model, recipe, batch, rate=0.7, epochs=5, steps_per_epoch=8, samples=[(batch, targets)])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.1)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(batch), targets)
        loss.backward()
        optimizer.step()
        pruner.step(optimizer)
        losses.append(float(loss.detach()))
        for name, mask in pruner.masks().items():
            weight = model.get_parameter(name)
            assert not weight[~mask].view(torch.int32).any()
            rounded = model.get_submodule(name.rpartition(".")[0]).weight_quantizer(weight)
            assert not rounded[~mask].any()
    assert sum(int((~mask).sum()) for mask in pruner.masks().values()) == 176
    assert losses[-1] < losses[16]  # the first after the network began to round
    learned = [one.input_quantizer.log_ratio for one in quantized_layers(model).values()]
    assert all(bool(one != 0) for one in learned)
