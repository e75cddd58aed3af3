"""Counting leaves no trace, and never fails where running the model would not."""

import random
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

from prunus.cost import count_cost
from prunus.errors import InputError


class Remembering(nn.Module):
    """Does all a forward can do to its module."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.register_buffer("calls", torch.zeros(()))
        self.seen = []
        self.last = None

    def forward(self, x):
        self.calls += 1
        x = self.norm(self.linear(x + torch.rand_like(x)))
        self.last = x
        self.seen.append(x)
        self.linear.weight.data.clamp_(-0.01, 0.01)
        random.random()
        np.random.rand()
        return x


class Failing(Remembering):
    def forward(self, x):
        super().forward(x)
        raise ValueError("no luck")


def snapshot(model):
    return {name: (value.clone(), value._version) for name, value in model.state_dict(keep_vars=True).items()}


@pytest.mark.parametrize("kind", [Remembering, Failing])
def test_model_and_generators_are_as_before(kind):
    model = kind().train()
    model.norm.eval()
    before, generators = snapshot(model), (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy())
    parameters = list(map(id, model.parameters()))
    with pytest.raises(InputError, match="No luck") if kind is Failing else nullcontext():
        count_cost(model, torch.ones(2, 4))
    after = snapshot(model)
    assert all(
        torch.equal(after[name][0], value) and after[name][1] == version for name, (value, version) in before.items()
    )
    assert list(map(id, model.parameters())) == parameters
    assert (model.training, model.linear.training, model.norm.training) == (True, True, False)
    assert (model.last, model.seen) == (None, [])
    assert torch.equal(torch.get_rng_state(), generators[0])
    assert random.getstate() == generators[1]
    assert np.array_equal(np.random.get_state()[1], generators[2])


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x * x.sum().item(),
        lambda x: x if x.sum() > 0 else -x,
        lambda x: torch.from_numpy(x.numpy().copy()),
        lambda x: x[x.sum(1) > -1],
        lambda x: torch.zeros(1, 4).copy_(x),
        lambda x: x[:, : int(x.argmax()) + 4],
    ],
)
def test_a_model_that_asks_for_values_is_run_really(use):
    class Asking(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, x):
            return self.linear(use(x))

    assert count_cost(Asking(), torch.ones(1, 4)).dense_macs == 12


def test_gradients_are_left_alone():
    model = nn.Linear(4, 3)
    model(torch.ones(1, 4)).sum().backward()
    gradient = model.weight.grad
    count_cost(model, torch.ones(1, 4))
    assert model.weight.grad is gradient
    assert model.weight.requires_grad
    assert torch.is_grad_enabled()


def test_inference_mode_inside_a_model_hides_nothing():
    class Inferring(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.linear = nn.Conv2d(1, 2, 3), nn.Linear(8, 3)

        @torch.inference_mode()
        def forward(self, x):
            return self.linear(self.conv(x).flatten(1))

    cost = count_cost(Inferring(), torch.ones(1, 1, 4, 4))
    assert [layer.kind for layer in cost.layers] == ["conv2d", "linear"]
    assert not cost.not_counted


def test_inputs_by_keyword_and_in_a_tuple():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, x, scale):
            return self.linear(x) * scale

    x, scale = torch.ones(5, 4), torch.ones(3)
    assert count_cost(Two(), (x, scale)).dense_macs == count_cost(Two(), {"x": x, "scale": scale}).dense_macs == 12


def test_wrong_inputs_are_one_clear_error():
    with pytest.raises(InputError, match=r"Linear cannot be run on an input of shape \(1, 5\)"):
        count_cost(nn.Linear(4, 3), torch.ones(2, 5))
    with pytest.raises(InputError, match="no tensor"):
        count_cost(nn.Linear(4, 3), ())
    with pytest.raises(InputError, match="at least 1"):
        count_cost(nn.Linear(4, 3), torch.ones(2, 4), weight_bits=0)


def test_models_without_weights_of_their_own_are_refused():
    with torch.device("meta"):
        empty = nn.Linear(4, 3)
    with pytest.raises(InputError, match="meta device"):
        count_cost(empty, torch.ones(1, 4))


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_lazy_layers_are_named():
    with pytest.raises(InputError, match=r"'0.weight' takes its shape from the first input"):
        count_cost(nn.Sequential(nn.LazyLinear(3)), torch.ones(1, 4))


def test_a_big_model_needs_no_time_for_its_activations():
    """A real run of it would compute 3e14 MACs."""
    model = nn.Conv2d(64, 64, 7, padding=3, bias=False)
    assert (
        count_cost(model, torch.empty(1, 1, 1).expand(64, 40_000, 40_000)[None]).dense_macs == 40_000**2 * 64 * 64 * 49
    )
