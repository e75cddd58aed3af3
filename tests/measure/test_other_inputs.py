"""Networks that take indices, several inputs, or named ones, on every runtime."""

import numpy as np
import pytest
import torch
from torch import nn

from prunus.measure import RUNTIMES, Variant, runtime_of, unavailable
from prunus.measure.stopwatch import Place, Stopwatch
from prunus.measure.variant import InputKind, input_kinds


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.out = nn.Embedding(20, 8), nn.Linear(8, 3)

    def forward(self, ids, shift=None):
        hidden = self.embedding(ids).mean(1)
        return self.out(hidden if shift is None else hidden + shift)


IDS, SHIFT = torch.arange(12).reshape(2, 6), torch.randn(2, 8)
EXAMPLES = {"indices": IDS, "several": (IDS, SHIFT), "named": {"ids": IDS, "shift": SHIFT}}


@pytest.mark.parametrize("runtime", RUNTIMES.names())
@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_network_is_timed_with_inputs_of_its_own_kind(runtime, kind):
    if unavailable(runtime):
        pytest.skip(unavailable(runtime))
    network, example = Tokens().eval(), EXAMPLES[kind]
    place = Place(runtime=runtime, batch_size=3, threads=1)
    with Stopwatch(network, example, place) as watch:
        assert watch.time(network).p50_ms > 0
        variant = watch._unpruned
        inputs = variant.random_inputs(3)
        output = np.asarray(runtime_of(runtime).load(variant, inputs, 1)())
        tensors = [torch.from_numpy(one) for one in (inputs if isinstance(inputs, tuple) else (inputs,))]
        np.testing.assert_allclose(output, network(*tensors).detach().numpy(), atol=1e-4)


def test_kinds_are_those_of_the_example():
    assert input_kinds(EXAMPLES["named"]) == (
        InputKind(shape=(6,), low=0, high=11, name="ids"),
        InputKind(shape=(8,), name="shift"),
    )


def test_indices_are_drawn_within_the_values_of_the_example():
    drawn = Variant(input_shape=(50,), files={}, inputs=(InputKind(shape=(50,), low=3, high=5),)).random_inputs(4)
    assert drawn.shape == (4, 50)
    assert set(np.unique(drawn)) == {3, 4, 5}
