"""Products with weights of which rows and columns are zero are those with all of their numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from prunus.channels import compressed_weight
from prunus.channels.compressed_weight import Compressed, CompressedWeight

EVERY = slice(None)


def both(size: tuple[int, ...], rows: list[int] | None, columns: list[int] | None) -> tuple[Tensor, CompressedWeight]:
    """A weight of which only some rows and columns are not zero, dense and compressed."""
    whole = torch.randn(size, dtype=torch.float64)
    for dim, some in enumerate((rows, columns)):
        if some is not None:
            whole.index_fill_(dim, torch.tensor([at for at in range(size[dim]) if at not in some]), 0)
    left = whole[EVERY if rows is None else rows][:, EVERY if columns is None else columns].clone()
    places = (None if some is None else torch.tensor(some) for some in (rows, columns))
    return whole, CompressedWeight.of(Compressed(whole.shape, left, *places), is_parameter=True)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every product is worth it."""
    monkeypatch.setattr(compressed_weight, "MOVED", 0)
    monkeypatch.setattr(compressed_weight, "CALLS", 0)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("rows", [None, [0, 3, 4]])
@pytest.mark.parametrize("columns", [None, [1, 2]])
@pytest.mark.parametrize(
    "bias", [None, torch.arange(6.0, dtype=torch.float64), torch.tensor([1.0, 0, 0, 2, 3, 0]).double()]
)
def test_linear_layers(rows: list[int] | None, columns: list[int] | None, bias: Tensor | None) -> None:
    whole, weight = both((6, 4), rows, columns)
    x = torch.randn(2, 3, 4, dtype=torch.float64)
    for found in (functional.linear(x, weight, bias), torch.ops.aten.linear.default(x, weight, bias)):
        torch.testing.assert_close(found, functional.linear(x, whole, bias), rtol=1e-12, atol=1e-12)
    assert (rows is None and columns is None) or not weight._is_dense


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("size", "groups", "rows", "columns", "stays_compressed"),
    [
        ((6, 4, 3, 3), 1, [0, 3, 4], [1, 2], True),
        ((6, 4, 1, 1), 1, None, [1, 2], True),
        ((6, 4, 3, 3), 2, [0, 1, 2], [1, 2], True),  # a whole group goes
        ((6, 4, 3, 3), 2, [0, 2, 3, 4], None, True),  # the same number in each
        ((6, 4, 3, 3), 2, [0, 2, 3], [0], False),
        ((6, 1, 3, 3), 6, [1, 5], None, True),
        ((6, 1, 3, 3), 3, [2, 3], None, True),
    ],
)
def test_convolutions(
    size: tuple[int, ...], groups: int, rows: list[int] | None, columns: list[int] | None, stays_compressed: bool
) -> None:
    whole, weight = both(size, rows, columns)
    x = torch.randn(2, size[1] * groups, 6, 5, dtype=torch.float64)
    for bias in (None, torch.randn(size[0], dtype=torch.float64)):
        found = functional.conv2d(x, weight, bias, 2, 1, 1, groups)
        torch.testing.assert_close(found, functional.conv2d(x, whole, bias, 2, 1, 1, groups), rtol=1e-12, atol=1e-12)
    assert weight._is_dense is not stays_compressed


def test_whatever_else_reads_it_finds_all_of_its_numbers() -> None:
    reads = (
        lambda weight: weight + 1,
        lambda weight: torch.cat([weight, weight]),
        lambda weight: torch.tensor(weight.numpy()),
        lambda weight: weight.permute(1, 0) @ weight,
        lambda weight: functional.linear(torch.eye(4, dtype=torch.float64), weight=weight),
        lambda weight: functional.linear(torch.eye(4, dtype=torch.float64), weight),  # too small to be worth it
        lambda weight: torch.ops.aten.mul.Tensor(weight, 2.0),
    )
    for read in reads:
        whole, weight = both((6, 4), [0, 3], [1])
        assert isinstance(weight, torch.nn.Parameter)
        assert weight.shape == (6, 4)
        assert not weight._is_dense
        assert torch.equal(read(weight), read(whole))
        assert type(read(weight)) is Tensor
