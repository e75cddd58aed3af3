"""The oracle: a program computed plainly in float64, operation by operation, with torch's float64 functions."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from prunus.sparse import program as p

ACTIVATIONS = {
    "relu": lambda x, a, b: F.relu(x),
    "leaky_relu": lambda x, a, b: F.leaky_relu(x, a),
    "clip": lambda x, a, b: x.clamp(a, b),
    "sigmoid": lambda x, a, b: x.sigmoid(),
    "hard_sigmoid": lambda x, a, b: (a * x + b).clamp(0, 1),
    "hard_swish": lambda x, a, b: x * (x / 6 + 0.5).clamp(0, 1),
    "silu": lambda x, a, b: x * x.sigmoid(),
    "gelu": lambda x, a, b: F.gelu(x),
    "gelu_tanh": lambda x, a, b: F.gelu(x, approximate="tanh"),
    "tanh": lambda x, a, b: x.tanh(),
    "erf": lambda x, a, b: x.erf(),
    "sqrt": lambda x, a, b: x.sqrt(),
    "nan_to_zero": lambda x, a, b: torch.where(x.isnan(), 0.0, x),
}
OPERATORS = {"add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "divide": torch.div}


class Reference:
    """Runs a program in float64; the outputs are float64 too."""

    def __init__(self, program: p.Program):
        self.program = program

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        tensors = self.all_tensors(inputs)
        return [tensors[name].numpy() for name in self.program.outputs]

    def all_tensors(self, inputs: Sequence[np.ndarray]) -> Mapping[str, Tensor]:
        """Every tensor of the program by name."""
        tensors = {name: _double(array) for name, array in self.program.constants.items()}
        tensors |= {name: _double(array) for name, array in zip(self.program.inputs, inputs, strict=True)}
        for operation in self.program.operations:
            tensors[operation.output] = compute(operation, tensors)
        return tensors


def compute(operation: p.Operation, tensors: Mapping[str, Tensor]) -> Tensor:
    """What one operation writes, in float64."""
    result = RULES[type(operation)](operation, tensors)
    activation = getattr(operation, "activation", None)
    if activation is not None:
        result = ACTIVATIONS[activation.kind](result, activation.a, activation.b)
    return rounded(result, getattr(operation, "rounding", None))


def rounded(x: Tensor, rounding: p.FusedRounding | None) -> Tensor:
    """To bytes and back."""
    if rounding is None:
        return x
    steps = (torch.round(x / rounding.scale) + rounding.zero).clamp(rounding.low, rounding.high)
    return (steps - rounding.zero) * rounding.scale


def _double(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float64))


def _padded(x: Tensor, padding: tuple[int, int, int, int], value: float = 0.0) -> Tensor:
    top, left, bottom, right = padding
    return F.pad(x, (left, right, top, bottom), value=value)


def _weight(op: p.Convolution | p.Linear, t: Mapping[str, Tensor]) -> Tensor:
    weight = t[op.weight]
    return weight if op.weight_scale is None else weight * t[op.weight_scale].reshape(-1, *[1] * (weight.dim() - 1))


def _convolution(op: p.Convolution, t: Mapping[str, Tensor]) -> Tensor:
    x = _padded(t[op.input], op.padding)
    y = F.conv2d(x, _weight(op, t), t.get(op.bias), op.strides, 0, op.dilation, op.groups)
    y = rounded(y, op.sum_rounding)
    return y if op.residual is None else y + t[op.residual]


def _linear(op: p.Linear, t: Mapping[str, Tensor]) -> Tensor:
    y = F.linear(t[op.input], _weight(op, t), t.get(op.bias))
    y = rounded(y, op.sum_rounding)
    return y if op.residual is None else y + t[op.residual]


def _pool(op: p.Pool, t: Mapping[str, Tensor]) -> Tensor:
    x = t[op.input]
    if op.reduction == "max":
        return F.max_pool2d(_padded(x, op.padding, -torch.inf), op.kernel, op.strides, 0, op.dilation)
    assert op.dilation == (1, 1)
    total = F.avg_pool2d(_padded(x, op.padding), op.kernel, op.strides, divisor_override=1)
    inside = F.avg_pool2d(_padded(torch.ones_like(x), op.padding), op.kernel, op.strides, divisor_override=1)
    return total / (op.kernel[0] * op.kernel[1] if op.count_padding else inside)


def _affine(op: p.Affine, t: Mapping[str, Tensor]) -> Tensor:
    x = t[op.input]
    shape = (1, -1, *[1] * (x.dim() - 2))
    return x * t[op.scale].reshape(shape) + t[op.shift].reshape(shape)


def _layer_norm(op: p.LayerNorm, t: Mapping[str, Tensor]) -> Tensor:
    x = t[op.input]
    return F.layer_norm(x, x.shape[op.axis :], t.get(op.scale), t.get(op.shift), op.epsilon)


def _slice(op: p.Slice, t: Mapping[str, Tensor]) -> Tensor:
    ranges = zip(op.starts, op.sizes, op.steps, strict=True)
    return t[op.input][tuple(slice(start, start + (size - 1) * step + 1, step) for start, size, step in ranges)]


def _pad(op: p.Pad, t: Mapping[str, Tensor]) -> Tensor:
    pairs = [size for pair in zip(op.before, op.after, strict=True) for size in reversed(pair)]
    return F.pad(t[op.input], pairs[::-1], value=op.value)


RULES = {
    p.Convolution: _convolution,
    p.Linear: _linear,
    p.MatMul: lambda op, t: t[op.left] @ t[op.right],
    p.Pool: _pool,
    p.Binary: lambda op, t: OPERATORS[op.operator](t[op.left], t[op.right]),
    p.Affine: _affine,
    p.Elementwise: lambda op, t: t[op.input],
    p.Rounding: lambda op, t: t[op.input],
    p.Softmax: lambda op, t: t[op.input].softmax(op.axis),
    p.LayerNorm: _layer_norm,
    p.Mean: lambda op, t: t[op.input].mean(op.axes, keepdim=op.keep),
    p.Concat: lambda op, t: torch.cat([t[name] for name in op.inputs], op.axis),
    p.Slice: _slice,
    p.Pad: _pad,
    p.Reshape: lambda op, t: t[op.input].reshape(op.shape),
    p.Transpose: lambda op, t: t[op.input].permute(op.permutation),
}
