"""How far the sparse runtime and ONNX Runtime are from float64 on trained networks that read text.

Each file is run on images of drawn text: in float64 by onnx's reference evaluator, whose convolutions and poolings are
torch's, and in fp32 by both runtimes. Printed are the largest and the root mean square difference to float64, over the
largest output and over the outputs' root mean square.

    python benchmarks/sparse_precision.py det.onnx --height 320 --width 320 --images 3
    python benchmarks/sparse_precision.py rec.onnx --height 48 --width 320 --direct

With `--chains 0,8,96` also what the file's operations would give if each were exact and its result alone rounded to
fp32 (0), and if convolutions added up their products in fp32 by chains of so many.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from PIL import Image, ImageDraw, ImageFont

import prunus.sparse
from prunus.sparse.execution import tiles

LINES = ("Prunus domestica 42", "7,319 of 10,000", "Thickness: 0.25 mm", "Invoice No. 2026-117", "pruned by a half")
FONT = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def text(height: int, width: int, number: int) -> np.ndarray:
    """(1, 3, height, width): lines of text with a little noise, from -1 to 1."""
    image = Image.new("RGB", (width, height), (250, 248, 240))
    draw = ImageDraw.Draw(image)
    step = 40 if height > 64 else height
    for row in range(0, height, step):
        size = int(height * 0.6) if height <= 64 else 16 + (row // step + number) % 3 * 6
        line = LINES[(row // step + number) % len(LINES)]
        draw.text((4 + row % 70, row + 4), line, fill=(20, 20 + row % 90, 60), font=ImageFont.truetype(FONT, size))
    pixels = np.asarray(image, np.float32) + np.random.default_rng(number).normal(0, 3, (height, width, 3))
    return np.ascontiguousarray((pixels / 127.5 - 1).transpose(2, 0, 1)[None], np.float32)


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


def padded(x: np.ndarray, kernel: tuple[int, ...], of: dict[str, Any], value: float = 0.0) -> torch.Tensor:
    """The input with what an operation's attributes put around it."""
    sides: list[int] = []  # the last dimension first
    for d, size in reversed(list(enumerate(kernel))):
        before, after = (of["pads"][d], of["pads"][d + len(kernel)]) if of.get("pads") else (0, 0)
        if (of.get("auto_pad") or "").startswith("SAME"):
            stride = (of.get("strides") or [1] * len(kernel))[d]
            total = max(0, (-(-x.shape[2 + d] // stride) - 1) * stride + size - x.shape[2 + d])
            before, after = total // 2, total - total // 2
            if of["auto_pad"] == "SAME_LOWER":
                before, after = after, before
        sides += [before, after]
    return F.pad(tensor(x), sides, value=value)


class Conv(OpRun):
    """Convolutions of one and two dimensions, by torch."""

    op_domain = ""

    def _run(self, x, w, b=None, **of: Any):
        run = (F.conv1d, F.conv2d)[x.ndim - 3]
        sizes = [tuple(of.get(key) or [1] * (x.ndim - 2)) for key in ("strides", "dilations")]
        bias = None if b is None else tensor(b)
        return (run(padded(x, w.shape[2:], of), tensor(w), bias, sizes[0], 0, sizes[1], of.get("group") or 1).numpy(),)


class MaxPool(OpRun):
    """Pooling of two dimensions, by torch."""

    op_domain = ""

    def _run(self, x, **of: Any):
        strides = tuple(of.get("strides") or [1, 1])
        found = F.max_pool2d(
            padded(x, tuple(of["kernel_shape"]), of, -np.inf),
            tuple(of["kernel_shape"]),
            strides,
            ceil_mode=bool(of.get("ceil_mode")),
        )
        return (found.numpy(),)


class BatchNormalization(OpRun):
    """In evaluation; the evaluator of onnx 1.23 takes a missing `training_mode` for training."""

    op_domain = ""

    def _run(self, x, scale, shift, mean, variance, **of: Any):
        return (F.batch_norm(*map(tensor, (x, mean, variance, scale, shift)), eps=of.get("epsilon") or 1e-5).numpy(),)


class Erf(OpRun):
    """The error function, by torch."""

    op_domain = ""

    def _run(self, x):
        return (torch.erf(tensor(x)).numpy(),)


def rounded(x: torch.Tensor) -> torch.Tensor:
    """The nearest fp32 numbers, in float64."""
    return x.float().double()


class Round(OpRun):
    """To fp32 and back; what is no float64 stays."""

    op_domain = "rounding"

    def _run(self, x):
        return (rounded(tensor(x)).numpy() if x.dtype == np.float64 else x,)


def chained(length: int) -> type[Conv]:
    """Convolutions whose products are added up one by one in fp32, in chains of so many, and these to a total."""

    def run(self, x, w, b=None, **of: Any):
        if x.ndim != 4 or (of.get("group") or 1) != 1:
            return Conv._run(self, x, w, b, **of)
        strides, dilations = of.get("strides") or [1, 1], of.get("dilations") or [1, 1]
        image = padded(x, w.shape[2:], of)
        sizes = [(image.shape[d] - dilations[d - 2] * (w.shape[d] - 1) - 1) // strides[d - 2] + 1 for d in (2, 3)]
        columns, rows = F.unfold(image, w.shape[2:], dilations, 0, strides)[0], tensor(w).flatten(1)
        total = torch.zeros(len(rows), columns.shape[1], dtype=torch.float64)
        if b is not None:
            total += tensor(b)[:, None]
        for start in range(0, len(columns), length):
            chain = torch.zeros_like(total)
            for place in range(start, min(start + length, len(columns))):
                chain = rounded(chain + rows[:, place, None] * columns[place])
            total = rounded(total + chain)
        return (total.reshape(1, len(rows), *sizes).numpy(),)

    return type("Conv", (Conv,), {"_run": run, "__doc__": chained.__doc__})


MOVING = {"Concat", "Constant", "Gather", "Identity", "MaxPool", "Reshape", "Resize", "Slice", "Squeeze", "Transpose"}
"""Operations whose results need no rounding."""


def in_rounded(model: onnx.ModelProto, length: int) -> ReferenceEvaluator:
    """The network in float64 with every result rounded to fp32; length: of the chains of convolutions, 0 for exact."""
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for node in nodes:
        model.graph.node.append(node)
        if node.op_type not in MOVING:
            for place, name in enumerate(node.output):
                model.graph.node[-1].output[place] = f"{name} exact"
            model.graph.node.extend(
                helper.make_node("Round", [f"{n} exact"], [n], domain="rounding") for n in node.output
            )
    model.opset_import.append(helper.make_opsetid("rounding", 1))
    return in_float64(model, chained(length) if length else Conv)


def in_float64(model: onnx.ModelProto, convolution: type[Conv] = Conv) -> ReferenceEvaluator:
    """The network with all fp32 values, constants and casts in float64."""
    graph = model.graph
    for one in graph.initializer:
        widen(one)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                widen(attribute.t)
            if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
            if node.op_type == "Constant" and attribute.name == "value_float":
                attribute.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(np.float64(attribute.f))))
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    return ReferenceEvaluator(model, new_ops=[convolution, MaxPool, BatchNormalization, Erf, Round])


def widen(one: TensorProto) -> None:
    if one.data_type == TensorProto.FLOAT:
        one.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(one).astype(np.float64), one.name))


def distance(found: np.ndarray, expected: np.ndarray) -> str:
    difference = found - expected
    rms = np.sqrt((difference**2).mean() / (expected**2).mean())
    return f"{np.abs(difference).max() / np.abs(expected).max():.1e} (rms {rms:.1e})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--height", type=int, default=320)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--direct", action="store_true", help="without Winograd's kernels")
    parser.add_argument("--chains", default="", help="lengths of chains to be told besides; 0 for exact sums")
    chosen = parser.parse_args()
    if chosen.direct:
        tiles.LEAST_WINOGRAD = 2.0
    for file in chosen.files:
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        engine = prunus.sparse.from_onnx(file, shapes={name: (1, 3, chosen.height, chosen.width)})
        reference = in_float64(onnx.load(file))
        lengths = [int(text) for text in chosen.chains.split(",") if text]
        others = {length: in_rounded(onnx.load(file), length) for length in lengths}
        for number in range(chosen.images):
            image = text(chosen.height, chosen.width, number)
            expected = reference.run(None, {name: image.astype(np.float64)})[0]
            ours, theirs = (
                distance(engine.run(image), expected),
                distance(session.run(None, {name: image})[0], expected),
            )
            print(f"{file.parent.name}/{file.name} image {number}: prunus {ours}, ONNX Runtime {theirs}", flush=True)
            for length, other in others.items():
                found = distance(other.run(None, {name: image.astype(np.float64)})[0], expected)
                print(f"  chains of {length}: {found}" if length else f"  exact sums: {found}", flush=True)


if __name__ == "__main__":
    main()
