"""What rounding alone can change is told from what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from prunus.channels.by_name import prune_channels
from prunus.proof import Proof, Variation, variations


class Function(nn.Module):
    def __init__(self, compute: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.compute = compute

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(x)


def outcome(one: Callable[[Tensor], Tensor], other: Callable[[Tensor], Tensor]) -> str:
    call = (torch.linspace(0.1, 2.0, 12).reshape(3, 4),), {}
    proof = Proof(lambda *_: Function(one), Variation(("the example inputs",), call))
    return proof.ways(lambda _: Function(other), [Variation(("another",), call)])[0].outcome


def test_a_network_that_magnifies_rounding_is_not_compared() -> None:
    assert outcome(lambda x: (x * 1e15).sin(), lambda x: (x * 3 * 1e15 / 3).sin()) == "not compared"


def test_a_network_that_is_another_differs() -> None:
    assert outcome(lambda x: 2 * x, lambda x: 2 * x * (1 + 1e-4)) == "differs"
    assert outcome(lambda x: 2 * x, lambda x: 2 * (x * 3) / 3) == "agrees"


def test_a_larger_batch_has_samples_of_its_own() -> None:
    """Over equal samples, a batch normalisation that trains divides by nearly zero."""
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).eval()
    training = next(each for each in variations(model, ((torch.randn(1, 4),), {})) if each.train)
    one, other = training.call[0][0]
    assert not torch.allclose(one, other, atol=0.1)


class Signs(nn.Module):
    """No last digit of its inputs gets past the signs, and its sums are rounded to few digits, in single precision."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype != torch.float32:
            raise RuntimeError("it computes in single precision alone")
        sums: Tensor = self.second(torch.relu(self.first(torch.where(x > 0, 1.0, -0.5))))
        return sums + 1e3 - 1e3


def test_rounding_within_a_network_counts_where_none_of_its_inputs_does() -> None:
    torch.manual_seed(0)
    report = prune_channels(Signs(), torch.randn(2, 1, 24, 24), 0.5).report
    assert 1e-5 < report.deviation < 1e-3
