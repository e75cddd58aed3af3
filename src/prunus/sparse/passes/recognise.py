"""Functions that exporters spell out in small steps: GELU, SiLU, hard swish, layer normalisation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from prunus.sparse.passes.view import View, rewrite
from prunus.sparse.program import (
    ActivationKind,
    Binary,
    Elementwise,
    FusedActivation,
    LayerNorm,
    Mean,
    Operation,
    Program,
)


def recognise(program: Program) -> Program:
    """The program with whole functions in the place of their last steps."""
    return rewrite(program, (_function, _layer_norm, _scaled_layer_norm, _shifted_layer_norm))


@dataclass(frozen=True)
class _Product:
    """A number times tensors by name, in order."""

    number: float
    names: tuple[str, ...]

    def without(self, *names: str) -> str | None:
        """The one name that is left, None where these are not among them or another number is left."""
        rest = list(self.names)
        for name in names:
            if name not in rest:
                return None
            rest.remove(name)
        return rest[0] if len(rest) == 1 else None


def _product(name: str, view: View) -> _Product:
    """What is multiplied to give a tensor, through all multiplications and divisions by a number."""
    if (value := view.number(name)) is not None:
        return _Product(value, ())
    operation = view.writers.get(name)
    if not isinstance(operation, Binary) or operation.activation is not None:
        return _Product(1.0, (name,))
    if operation.operator == "divide" and (value := view.number(operation.right)):
        left = _product(operation.left, view)
        return _Product(left.number / value, left.names)
    if operation.operator == "multiply" and len(operation.reads) == 2:
        left, right = _product(operation.left, view), _product(operation.right, view)
        if len(left.names) + len(right.names) <= 3:
            return _Product(left.number * right.number, tuple(sorted(left.names + right.names)))
    return _Product(1.0, (name,))


def _function(operation: Operation, view: View) -> Operation | None:
    if not isinstance(operation, Binary) or operation.operator not in ("multiply", "divide") or operation.activation:
        return None
    view.writers[operation.output] = operation
    product = _product(operation.output, view)
    if not 2 <= len(product.names) <= 3:
        return None
    for x in dict.fromkeys(product.names):
        other = product.without(x)
        kind = other and _factor_kind(x, other, product.number, view)
        if kind and view.shapes[x] == view.shapes[operation.output]:
            return Elementwise(output=operation.output, input=x, activation=FusedActivation(kind))
    return None


def _factor_kind(x: str, other: str, number: float, view: View) -> ActivationKind | None:
    """Which function number * x * other is."""
    writer = view.writers.get(other)
    if isinstance(writer, Elementwise):
        activation = writer.activation
        if activation.kind == "sigmoid" and _near(number, 1) and writer.input == x:
            return "silu"
        if activation.kind == "hard_sigmoid" and _near(number, 1) and writer.input == x:
            return "hard_swish" if _near(activation.a, 1 / 6) and _near(activation.b, 0.5) else None
        if activation.kind == "clip" and _near(number, 1 / 6) and (activation.a, activation.b) == (0, 6):
            return "hard_swish" if _sum_with(writer.input, 3, view) == x else None
    inner = _sum_with(other, 1, view)
    function = view.writers.get(inner or "")
    if not isinstance(function, Elementwise) or not _near(number, 0.5):
        return None
    if function.activation.kind == "erf" and _is_scaled(function.input, x, 1 / math.sqrt(2), view):
        return "gelu"
    if function.activation.kind == "tanh" and _is_cubic(function.input, x, view):
        return "gelu_tanh"
    return None


def _sum_with(name: str, number: float, view: View) -> str | None:
    """What the number is added to in order to give a tensor."""
    operation = view.writers.get(name)
    if not isinstance(operation, Binary) or operation.operator != "add" or operation.activation is not None:
        return None
    for one, other in ((operation.left, operation.right), (operation.right, operation.left)):
        value = view.number(one)
        if value is not None and _near(value, number):
            return other
    return None


def _is_scaled(name: str, x: str, number: float, view: View) -> bool:
    product = _product(name, view)
    return product.names == (x,) and _near(product.number, number)


def _is_cubic(name: str, x: str, view: View) -> bool:
    """Whether it is sqrt(2 / pi) (x + 0.044715 x^3)."""
    product = _product(name, view)
    if len(product.names) != 1 or not _near(product.number, math.sqrt(2 / math.pi)):
        return False
    operation = view.writers.get(product.names[0])
    if not isinstance(operation, Binary) or operation.operator != "add" or x not in operation.reads:
        return False
    cube = _product(operation.right if operation.left == x else operation.left, view)
    return cube.names == (x, x, x) and _near(cube.number, 0.044715)


def _near(value: float, expected: float) -> bool:
    return math.isclose(value, expected, rel_tol=1e-5)


def _layer_norm(operation: Operation, view: View) -> Operation | None:
    """(x - mean) / sqrt(mean of its squares + epsilon)."""
    if not isinstance(operation, Binary) or operation.operator != "divide" or operation.activation is not None:
        return None
    centred, root = view.writers.get(operation.left), view.writers.get(operation.right)
    if not isinstance(centred, Binary) or centred.operator != "subtract" or centred.activation is not None:
        return None
    mean = view.writers.get(centred.right)
    if not isinstance(root, Elementwise) or root.activation.kind != "sqrt" or not isinstance(mean, Mean):
        return None
    epsilon, variance = _epsilon(root.input, view)
    x, axes = centred.left, mean.axes
    rank = len(view.shapes[x])
    fits = mean.input == x and mean.keep and axes == tuple(range(axes[0], rank))
    if epsilon is None or variance is None or not fits or (variance.axes, variance.keep) != (axes, True):
        return None
    if _product(variance.input, view) != _Product(1.0, (operation.left, operation.left)):
        return None
    return LayerNorm(output=operation.output, input=x, axis=axes[0], epsilon=epsilon)


def _epsilon(name: str, view: View) -> tuple[float | None, Mean | None]:
    operation = view.writers.get(name)
    if isinstance(operation, Binary) and operation.operator == "add" and operation.activation is None:
        for one, other in ((operation.left, operation.right), (operation.right, operation.left)):
            writer = view.writers.get(other)
            if isinstance(writer, Mean):
                return view.number(one), writer
    return None, None


def _scaled_layer_norm(operation: Operation, view: View) -> Operation | None:
    found = _norm_and_constant(operation, "multiply", view)
    if found is None or found[0].scale is not None or found[0].shift is not None:
        return None
    norm, name = found
    return replace(norm, output=operation.output, scale=name)


def _shifted_layer_norm(operation: Operation, view: View) -> Operation | None:
    found = _norm_and_constant(operation, "add", view)
    if found is None or found[0].shift is not None:
        return None
    norm, name = found
    return replace(norm, output=operation.output, shift=name)


def _norm_and_constant(operation: Operation, operator: str, view: View) -> tuple[LayerNorm, str] | None:
    """A layer normalisation and the constant that it is combined with, brought to the shape of what is normalised."""
    if not isinstance(operation, Binary) or operation.operator != operator or operation.activation is not None:
        return None
    for one, other in ((operation.left, operation.right), (operation.right, operation.left)):
        norm, value = view.writers.get(one), view.constants.get(other)
        if not isinstance(norm, LayerNorm) or value is None or view.readers[one] > 1:
            continue
        shape = view.shapes[norm.input][norm.axis :]
        trimmed = (
            value.reshape(value.shape[max(value.ndim - len(shape), 0) :]) if _leads_with_ones(value, shape) else None
        )
        if trimmed is None:
            continue
        name = f"{operation.output}.{operator}"
        return norm, view.add_constant(name, np.array(np.broadcast_to(trimmed, shape)))
    return None


def _leads_with_ones(value: np.ndarray, shape: tuple[int, ...]) -> bool:
    extra = value.ndim - len(shape)
    return all(size == 1 for size in value.shape[: max(extra, 0)])
