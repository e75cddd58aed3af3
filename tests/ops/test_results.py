"""Results without values are those that torch itself finds, or left to it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from prunus.ops import result_without_values


def bare(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def found(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
    packet = getattr(torch.ops.aten, name)
    overloads = packet.overloads()
    with_tensor = len(args) > 1 and isinstance(args[1], Tensor)
    chosen = next((one for one in ("Tensor" if with_tensor else "Scalar", "dim") if one in overloads), overloads[0])
    return result_without_values(getattr(packet, chosen), args, kwargs)


IMAGE, LAST = bare(2, 6, 9, 8), bare(2, 9, 8, 6).permute(0, 3, 1, 2)
NUMBERS = bare(2, 3, 5, dtype=torch.int64)
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("relu", (LAST,), {}),
    ("gelu", (IMAGE,), {"approximate": "tanh"}),
    ("leaky_relu", (IMAGE, 0.1), {}),
    ("sigmoid", (IMAGE,), {}),
    ("add", (IMAGE, bare(6, 1, 1)), {"alpha": 2}),
    ("add", (LAST, LAST), {}),
    ("mul", (bare(2, 6, 1, 1), IMAGE), {}),
    ("mul", (bare(4, 1), bare(2, 1, 3)), {}),
    ("div", (IMAGE, bare()), {}),
    ("batch_norm", (LAST, *4 * [bare(6)], False, 0.1, 1e-5, True), {}),
    ("layer_norm", (bare(2, 9, 6), [6], bare(6), bare(6)), {}),
    ("linear", (bare(2, 9, 6), bare(4, 6), bare(4)), {}),
    ("linear", (bare(9, 2, 6).transpose(0, 1), bare(4, 6)), {}),
    ("conv2d", (IMAGE, bare(4, 6, 3, 3), bare(4)), {}),
    ("conv2d", (IMAGE, bare(6, 1, 3, 2), None, [2, 1], [1, 2], [1, 2], 6), {}),
    ("scaled_dot_product_attention", (bare(2, 3, 5, 8), bare(2, 3, 7, 8), bare(2, 3, 7, 4), bare(5, 7)), {}),
    ("adaptive_avg_pool2d", (IMAGE, [1, 3]), {}),
    ("cat", ([IMAGE, bare(2, 5, 9, 8)], 1), {}),
    ("mul", (IMAGE, 3.0), {}),
    ("add", (NUMBERS, 1), {}),
    ("mul", (NUMBERS, bare(3, 1, dtype=torch.int64)), {}),
    ("ne", (NUMBERS, 1), {}),
    ("gt", (IMAGE, 0.5), {}),
    ("cumsum", (NUMBERS, 1), {}),
    ("cumsum", (bare(2, 3, dtype=torch.int32), 1), {}),
    ("mul", (bare(2, 3, dtype=torch.int32), bare(3, dtype=torch.int32)), {}),
    ("cumsum", (IMAGE, -1), {}),
    ("embedding", (bare(9, 4), NUMBERS, 0), {}),
    ("add", (LAST, 1), {}),
    ("max_pool2d", (IMAGE, [3, 3], [2, 2], [1, 1]), {}),
    ("avg_pool2d", (IMAGE, [2, 3]), {}),
    ("avg_pool2d", (IMAGE, [3, 2], [3, 2], [0, 0], True, False), {}),
    ("avg_pool2d", (IMAGE, [2, 2], [2, 2], [0, 0], False, False), {}),
    ("contiguous", (LAST,), {}),
    ("mean", (IMAGE, [2, -1], True), {}),
    ("mean", (IMAGE, [1]), {}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS, ids=[f"{k}-{call[0]}" for k, call in enumerate(CALLS)])
def test_it_is_what_torch_gives(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    result, expected = found(name, args, kwargs), getattr(torch.ops.aten, name)(*args, **kwargs)
    assert result is not None
    assert (result.shape, result.dtype, result.device) == (expected.shape, expected.dtype, expected.device)
    assert result.stride() == expected.stride()


def test_it_is_the_first_argument_where_that_is_written_into() -> None:
    assert found("relu_", (IMAGE,), {}) is IMAGE
    assert found("add_", (IMAGE, bare(6, 1, 1)), {}) is IMAGE


OTHERS: list[tuple[str, tuple[Any, ...]]] = [
    ("relu", (bare(3, dtype=torch.int64),)),
    ("add", (IMAGE, bare(5, 1, 1))),
    ("add", (IMAGE, bare(6, 1, 1, dtype=torch.float64))),
    ("add", (LAST, bare(6, 1, 1))),
    ("add", (bare(3, dtype=torch.int64), 3.0)),
    ("add", (IMAGE, 1j)),
    ("add", (NUMBERS, 1.0)),
    ("add", (NUMBERS, IMAGE)),
    ("div", (NUMBERS, 2)),
    ("div_", (NUMBERS, 2)),
    ("eq", (IMAGE, IMAGE)),
    ("lt", (LAST, 1)),
    ("cumsum", (IMAGE, 4)),
    ("cumsum", (bare(3, dtype=torch.bool), 0)),
    ("add", (bare(3, dtype=torch.int32), bare(3, dtype=torch.int64))),
    ("add", (bare(3, dtype=torch.bool), 1)),
    ("embedding", (bare(9, 4, 2), NUMBERS)),
    ("max_pool2d", (IMAGE, [3, 3], [2, 2], [1, 1], [1, 1], True)),
    ("max_pool2d", (IMAGE, [3, 3], [2, 2], [2, 2])),
    ("avg_pool2d", (IMAGE, [10, 3])),
    ("avg_pool2d", (IMAGE, [2, 2], [2, 2], [0, 0], True)),
    ("mean", (IMAGE,)),
    ("mean", (IMAGE, [])),
    ("mean", (IMAGE, [1, -3])),
    ("mean", (IMAGE, [4])),
    ("mean", (LAST, [1], True)),
    ("add_", (bare(6, 1, 1), IMAGE)),
    ("batch_norm", (IMAGE, *4 * [bare(5)], False, 0.1, 1e-5, True)),
    ("layer_norm", (bare(2, 9, 6), [5], bare(5), bare(5))),
    ("linear", (bare(2, 9, 6), bare(4, 5))),
    ("linear", (bare(2, 9, 6), bare(4, 6), bare(5))),
    ("linear", (bare(6), bare(4, 6))),
    ("conv2d", (IMAGE, bare(4, 5, 3, 3))),
    ("conv2d", (IMAGE, bare(4, 6, 3, 3), bare(5))),
    ("conv2d", (IMAGE, bare(4, 6, 11, 3))),
    ("conv2d", (IMAGE, bare(4, 6, 3, 3), None, [1, 1], "same")),
    ("conv2d", (LAST, bare(4, 6, 3, 3))),
    ("scaled_dot_product_attention", (bare(2, 3, 5, 8), bare(2, 3, 7, 8), bare(2, 3, 6, 4))),
    ("scaled_dot_product_attention", (bare(2, 3, 5, 8), bare(2, 3, 7, 8), bare(2, 3, 7, 4), bare(5, 6))),
    ("adaptive_avg_pool2d", (LAST, [1, 3])),
    ("cat", ([IMAGE, bare(2, 5, 9, 7)], 1)),
    ("cat", ([IMAGE, bare(0)], 1)),
    ("neg", (IMAGE,)),
]


@pytest.mark.parametrize(("name", "args"), OTHERS, ids=[f"{k}-{call[0]}" for k, call in enumerate(OTHERS)])
def test_what_does_not_fit_or_is_not_known_is_left_to_torch(name: str, args: tuple[Any, ...]) -> None:
    result = found(name, args, {})
    try:
        expected = getattr(torch.ops.aten, name)(*args)
    except (RuntimeError, IndexError, AssertionError):
        assert result is None
    else:
        assert result is None or (result.shape, result.dtype, result.stride()) == (
            expected.shape,
            expected.dtype,
            expected.stride(),
        )


def test_what_is_given_a_place_for_its_result_is_left_to_torch() -> None:
    assert found("add", (IMAGE, IMAGE), {"out": IMAGE}) is None
