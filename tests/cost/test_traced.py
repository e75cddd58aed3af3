"""MACs read off a graph are those that a run counts, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from prunus.cost import count_cost
from prunus.cost.traced import traced_macs, traced_shapes
from prunus.trace import trace


class Network(nn.Module):
    def __init__(self, forward: Callable[..., Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.layers, self.compute = nn.ModuleList(layers), forward

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.compute(self.layers, *inputs)


def macs_of(model: nn.Module, inputs: Any) -> int | None:
    graph = trace(model.eval(), inputs)
    found = traced_macs(graph, traced_shapes(graph))
    return None if found is None else found[0]


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "regnet_x_400mf", "vit_b_32"])
def test_what_is_read_off_is_what_a_run_counts(name: str) -> None:
    model, x = torchvision.models.get_model(name), torch.randn(1, 3, 224, 224)
    assert macs_of(model, x) == count_cost(model, x).dense_macs


def test_a_batch_is_counted_as_one_sample() -> None:
    layers = nn.Conv2d(2, 2, 2), nn.Linear(8, 2)
    model = Network(lambda m, x: m[1](m[0](x).flatten(1)), *layers)
    assert macs_of(model, torch.randn(2, 2, 3, 3)) == 4 * 2 * 2 * 4 + 8 * 2


def test_transposed_convolutions_and_attention_are_counted() -> None:
    up = Network(lambda m, x: m[0](x), nn.ConvTranspose2d(4, 6, 3, groups=2))
    assert macs_of(up, torch.randn(1, 4, 5, 5)) == 25 * 4 * 3 * 9
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    x = torch.randn(1, 5, 8)
    assert macs_of(model, x) == count_cost(model, x).dense_macs


def einsum(equation: str, x: Tensor, *weight: int) -> tuple[int | None, int]:
    model = Network(lambda m, x: torch.einsum(equation, m[0](x), m[1].weight.reshape(weight)), nn.Linear(6, 6))
    model.layers.append(nn.Linear(torch.Size(weight).numel(), 1))
    return macs_of(model, x), count_cost(model, x).dense_macs


def test_an_einsum_is_one_product_where_it_sums_what_both_have() -> None:
    x = torch.randn(1, 4, 5, 6)
    assert einsum("bhwc,hkc->bhwk", x, 4, 7, 6) == (4 * 5 * 6 * 6 + 4 * 5 * 7 * 6,) * 2
    assert einsum("bhwc,bhwc->bh", x, 1, 4, 5, 6) == (4 * 5 * 6 * 6 + 4 * 5 * 6,) * 2
    assert einsum("bhwc,oc->bho", x, 3, 6)[0] is None  # sums along w before
    assert einsum("bhwc,hkc->bhwk", torch.randn(2, 4, 5, 6), 4, 7, 6)[0] is None


@pytest.mark.parametrize(
    ("forward", "layers", "inputs"),
    [
        pytest.param(lambda m, x: m[0](x.mean(0)), [nn.Linear(4, 6)], torch.randn(4, 4), id="a mean"),
        pytest.param(lambda m, x: m[0](x) @ m[0](x).t(), [nn.Linear(4, 3)], torch.randn(3, 4), id="all pairs"),
        pytest.param(
            lambda m, x: nn.functional.scaled_dot_product_attention(m[0](x), m[0](x), m[0](x)),
            [nn.Linear(4, 6)],
            torch.randn(3, 4),
            id="attention",
        ),
        pytest.param(
            lambda m, x, edges: m[0](m[0](x)[edges[:, 0]]),
            [nn.Linear(4, 4)],
            (torch.randn(5, 4), torch.tensor([[0, 1]] * 5)),
            id="edges",
        ),
        pytest.param(lambda m, x: m[0](x), [nn.Conv1d(3, 6, 2)], torch.randn(3, 8), id="channels, no samples"),
        pytest.param(lambda m, x: m[0].weight @ x, [nn.Linear(3, 3)], torch.randn(3, 3), id="a matrix"),
    ],
)
def test_where_samples_meet_a_run_has_to_tell(forward: Any, layers: list[nn.Module], inputs: Any) -> None:
    assert macs_of(Network(forward, *layers), inputs) is None


def test_an_operation_that_may_hold_products_has_a_run_to_tell() -> None:
    assert macs_of(Network(lambda m, x: m[0](x)[0], nn.LSTM(4, 6)), torch.randn(1, 5, 4)) is None
