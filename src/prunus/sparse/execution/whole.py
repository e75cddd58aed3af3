"""Operations on bytes: convolutions and linear layers in whole numbers, sums, pools and means.

What stays out: operations that have no kernel for bytes. They read floats, which are made where only bytes are there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from prunus.sparse.execution.blocks import block_candidates, kept_blocks, read_blocks
from prunus.sparse.execution.builder import Choice, ProgramBuilder
from prunus.sparse.execution.bytes import (
    Bytes,
    Kind,
    as_bytes,
    bounds,
    clamp,
    clamps,
    float_layout,
    new_bytes,
    quantized,
)
from prunus.sparse.execution.convolving import Taps, view
from prunus.sparse.execution.layout import QUAD, Tensor
from prunus.sparse.execution.weighted import FEW_ROWS, Phases, is_direct
from prunus.sparse.program import Array, Binary, Convolution, FusedRounding, Linear, Mean, Pool, Reshape, Rounding

if TYPE_CHECKING:
    from prunus.sparse import _native

Whole = npt.NDArray[np.int8]
LARGEST_SUM = 2**31 - 1
"""The sizes of all products of an output come to no more: sums have 32 bits."""


def lower_bytes(builder: ProgramBuilder, op: Any, otherwise: Callable[[ProgramBuilder, Any], None]) -> None:
    """Lower an operation on bytes where it can be, else on floats by the function that is given."""
    rule = _RULES.get(type(op))
    if rule is None or not rule(builder, op):
        _on_floats(builder, op, otherwise)


def _on_floats(builder: ProgramBuilder, op: Any, otherwise: Callable[[ProgramBuilder, Any], None]) -> None:
    """On floats, and then to bytes where the result is rounded."""
    if getattr(op, "sum_rounding", None) is not None:
        _apart(builder, op, otherwise)
        return
    rounding = getattr(op, "rounding", None)
    if rounding is None:
        otherwise(builder, op)
        return
    otherwise(builder, replace(op, rounding=None))
    kind: Kind = "image" if len(builder.shapes[op.output]) == 4 and not isinstance(op, Linear) else "columns"
    builder.bytes[op.output] = quantized(builder, builder.tensors.pop(op.output), op.output, kind, rounding)


def _apart(builder: ProgramBuilder, op: Convolution | Linear, otherwise: Callable[[ProgramBuilder, Any], None]) -> None:
    """The rounded sum of products first, then the residual."""
    assert op.residual is not None
    inner = replace(op, residual=None, activation=None, rounding=op.sum_rounding, sum_rounding=None)
    lower_bytes(builder, inner, otherwise)
    sums = f"{op.output}.sums"
    builder.shapes[sums] = builder.shapes[op.output]
    builder.bytes[sums] = builder.bytes.pop(op.output)
    builder.roundings[sums] = op.sum_rounding
    added = Binary(
        output=op.output,
        left=sums,
        right=op.residual,
        operator="add",
        activation=op.activation,
        rounding=op.rounding,
    )
    builder.lower(builder, added)


@dataclass(frozen=True, kw_only=True)
class WholeLayer:
    """A convolution of bytes whose tensors have their layouts. out_rounding: None where floats are stored."""

    given: Bytes
    source: Tensor  # the input as it is convolved
    out: Tensor
    residual: Tensor | None
    residual_rounding: FusedRounding | None
    weight: Whole
    taps: Taps
    scales: npt.NDArray[np.float64]  # of each output's sum
    bias: Array
    op: Convolution | Linear
    out_rounding: FusedRounding | None

    def make(self, engine: _native.Engine, choice: Choice) -> _native.Step:
        """The step, once every tensor has its place, on the kernel that is named."""
        op, out, first = self.op, self.out_rounding, self.op.sum_rounding
        last = out.scale if out else 1.0
        unit = first.scale if first else last
        factors, addends = _finite(self.scales / unit), _finite(self.bias.astype(np.float64) / unit)
        finish = (*bounds(out, op.activation), out.zero) if out else (*clamp(op.activation), None)
        added = None
        if self.residual_rounding:
            added = self.residual_rounding.zero, float(_finite(self.residual_rounding.scale / last))
        return engine.int8_convolution(
            view(self.source),
            view(self.out),
            view(self.residual) if self.residual else None,
            np.ascontiguousarray(self.weight),
            factors,
            addends,
            self.given.rounding.zero,
            self.taps.strides,
            self.taps.padding,
            self.taps.dilation,
            self.taps.groups,
            finish,
            (*bounds(first, None), float(_finite(first.scale / last))) if first else None,
            added,
            read_blocks(choice),
        )


def _finite(values: Any) -> Array:
    """In fp32, the largest number in the place of one that is larger."""
    largest = float(np.finfo(np.float32).max)
    return np.asarray(np.clip(values, -largest, largest), np.float32)


def _convolution(builder: ProgramBuilder, op: Convolution) -> bool:
    weight = _weight(builder, op, op.groups)
    if weight is None:
        return False
    given = as_bytes(builder, op.input, "image")
    out = builder.shapes[op.output]
    taps = Taps(op.strides, (op.padding[0], op.padding[1]), op.dilation, op.groups)
    source = given.tensor
    if not is_direct(op, source.layout, float_layout(builder, out, "image")):
        phases = Phases(op, weight.shape, out)
        source = phases.input(builder, source, float_layout(builder, out, "image"))
        weight, taps = _in_phases(phases, weight), Taps((1, 1), (0, 0), (1, 1), op.groups)
    _add_layer(builder, op, given, source, weight, taps, "image", math.prod(out[2:]) * out[0])
    return True


def _linear(builder: ProgramBuilder, op: Linear) -> bool:
    rows = math.prod(builder.shapes[op.output][:-1])
    weight = _weight(builder, op, 1) if rows >= FEW_ROWS else None
    if weight is None:
        return False
    given = as_bytes(builder, op.input, "columns")
    taps = Taps((1, 1), (0, 0), (1, 1), 1)
    _add_layer(builder, op, given, given.tensor, weight[:, :, None, None], taps, "columns", rows)
    return True


def _weight(builder: ProgramBuilder, op: Convolution | Linear, groups: int) -> Whole | None:
    """The layer's whole numbers, where it can be computed in them; inputs of each group are whole quads."""
    if op.weight_scale is None or builder.rounding(op.input) is None:
        return None
    weight: Whole = builder.program.constants[op.weight]  # type: ignore[assignment]
    if groups > 1 and (weight.shape[1] % QUAD or weight.shape[0] // groups % QUAD):
        return None
    sizes = np.abs(weight.astype(np.int64)).reshape(len(weight), -1).sum(1)
    if 255 * int(sizes.max(initial=0)) > LARGEST_SUM:
        return None
    bias = builder.constant(op.bias, np.zeros(1, np.float32))
    scale = builder.constant(op.weight_scale, np.zeros(1, np.float32))
    if not np.isfinite(bias).all() or not np.isfinite(scale).all():
        return None
    return np.pad(weight, [(0, 0), (0, -weight.shape[1] % QUAD), *[(0, 0)] * (weight.ndim - 2)])


def _in_phases(phases: Phases, weight: Whole) -> Whole:
    """The weights at their phases, which lie side by side as quads of channels do."""
    count, (outs, ins) = len(phases.phases), weight.shape[:2]
    spread = phases.weight(weight).reshape(outs, ins // QUAD, QUAD, count, *phases.kernel)
    return np.ascontiguousarray(spread.swapaxes(2, 3)).reshape(outs, ins * count, *phases.kernel)


def _add_layer(
    builder: ProgramBuilder,
    op: Convolution | Linear,
    given: Bytes,
    source: Tensor,
    weight: Whole,
    taps: Taps,
    kind: Kind,
    places: int,
) -> None:
    added = builder.rounding(op.residual) if op.residual is not None else None
    to_bytes = op.rounding is not None and clamps(op.activation) and (op.residual is None or added is not None)
    residual = None
    if to_bytes:
        assert op.rounding is not None
        out = new_bytes(builder, op.output, kind, op.rounding).tensor
        if op.residual is not None:
            residual = as_bytes(builder, op.residual, kind).tensor
    else:
        layout = float_layout(builder, builder.shapes[op.output], kind)
        out, added = Tensor(layout, op.output, finite_flag=builder.new_finite_flag()), None
        if op.residual is not None:
            residual = builder.moved(builder.tensor(op.residual), layout)
    if residual and residual.owner is residual is not source.owner and residual.layout == out.layout:
        out.over = residual
    scale = builder.constant(op.weight_scale, np.ones(1, np.float32)).astype(np.float64) * given.rounding.scale
    layer = WholeLayer(
        given=given,
        source=source,
        out=out,
        residual=residual,
        residual_rounding=added,
        weight=weight,
        taps=taps,
        scales=scale,
        bias=builder.constant(op.bias, np.zeros(len(weight), np.float32)),
        op=op if clamps(op.activation) else replace(op, activation=None),
        out_rounding=op.rounding if to_bytes else None,
    )
    held: Whole = builder.program.constants[op.weight]  # type: ignore[assignment]
    kept = kept_blocks(weight)
    builder.add(
        [source, *([residual] if residual else [])],
        [out],
        layer.make,
        candidates=block_candidates(out.layout, kept, taps, weight.shape, builder),
        alike=("whole", source.layout, out.layout, weight.shape, taps, to_bytes, residual is None, _rounded(kept)),
        macs=places * held.size,
        nonzero_macs=places * int(np.count_nonzero(held)),
        kept=kept,
    )
    if not to_bytes:
        _finish_floats(builder, op, out, kind)


def _rounded(kept: dict[int, float]) -> tuple[float, ...]:
    return tuple(round(share, 2) for share in kept.values())


def _finish_floats(builder: ProgramBuilder, op: Convolution | Linear, out: Tensor, kind: Kind) -> None:
    """What the kernel has not done itself: a function, and the rounding of what it gives."""
    if not clamps(op.activation):
        bent = Tensor(out.layout, op.output)
        builder.map("copy", bent, out, activation=op.activation)
        out = bent
    if op.rounding is None:
        builder.define(op.output, out)
    else:
        builder.bytes[op.output] = quantized(builder, out, op.output, kind, op.rounding)


def _rounding(builder: ProgramBuilder, op: Rounding) -> bool:
    kind: Kind = "image" if len(builder.shapes[op.output]) == 4 else "columns"
    if not builder.shapes[op.output]:
        return False
    builder.bytes[op.output] = quantized(builder, builder.tensor(op.input), op.output, kind, op.rounding)
    return True


def _pool(builder: ProgramBuilder, op: Pool) -> bool:
    rounding = builder.rounding(op.input)
    if rounding is None or op.reduction != "max" or op.input in builder.pooled:
        return False
    given = as_bytes(builder, op.input, "image").tensor
    out = new_bytes(builder, op.output, "image", rounding).tensor
    padding = op.padding[0], op.padding[1]

    def make(engine: _native.Engine, _: Choice) -> _native.Step:
        return engine.pool_bytes(view(given), view(out), op.kernel, op.strides, padding, op.dilation)

    builder.add([given], [out], make)
    return True


def _binary(builder: ProgramBuilder, op: Binary) -> bool:
    left, right = builder.rounding(op.left), builder.rounding(op.right)
    same = builder.shapes[op.left] == builder.shapes[op.right] == builder.shapes[op.output]
    if (
        op.rounding is None
        or left is None
        or right is None
        or not same
        or op.operator != "add"
        or not clamps(op.activation)
    ):
        return False
    held = builder.bytes.get(op.left) or builder.bytes.get(op.right)
    shape = builder.shapes[op.output]
    if not shape:
        return False
    kind: Kind = held.kind if held else "image" if len(shape) == 4 else "columns"
    sides = [as_bytes(builder, name, kind).tensor for name in (op.left, op.right)]
    rounding = op.rounding
    out = new_bytes(builder, op.output, kind, rounding).tensor
    scales = [(side.zero, float(_finite(side.scale / rounding.scale))) for side in (left, right)]
    finish = (*bounds(rounding, op.activation), rounding.zero)

    def make(engine: _native.Engine, _: Choice) -> _native.Step:
        return engine.add_bytes(view(sides[0]), view(sides[1]), view(out), scales[0], scales[1], finish)

    builder.add(sides, [out], make)
    return True


def _mean(builder: ProgramBuilder, op: Mean) -> bool:
    shape = builder.shapes[op.input]
    rounding = builder.rounding(op.input)
    if rounding is None or len(shape) != 4 or op.axes != (2, 3):
        return False
    given = as_bytes(builder, op.input, "image").tensor
    out = Tensor(builder.image_layout((*shape[:2], 1, 1)), op.output, finite_flag=builder.new_finite_flag())

    def make(engine: _native.Engine, _: Choice) -> _native.Step:
        return engine.mean_bytes(view(given), view(out), rounding.scale, rounding.zero)

    builder.add([given], [out], make)
    builder.define(op.output, builder.reshaped(out, builder.shapes[op.output]))
    return True


def _reshape(builder: ProgramBuilder, op: Reshape) -> bool:
    held = builder.bytes.get(op.input)
    if held is None or builder.shapes[op.output] != held.shape:
        return False
    builder.bytes[op.output] = held
    return True


_RULES: dict[type, Callable[[ProgramBuilder, Any], bool]] = {
    Binary: _binary,
    Convolution: _convolution,
    Linear: _linear,
    Mean: _mean,
    Pool: _pool,
    Reshape: _reshape,
    Rounding: _rounding,
}
