"""How far the sparse runtime reaches: networks exported by both of torch's exporters, pruned, beside ONNX Runtime.

    python benchmarks/sparse_reach.py --out reach.csv           # everything that benchmarks/zoo.py lists, hours
    python benchmarks/sparse_reach.py --list torchvision
    python benchmarks/sparse_reach.py timm:test_byobnet torchvision:alexnet

Each network runs in a process of its own with a time limit: random weights, statistics as after a training, images as
small as it takes, a sparsity of 50, 70, 80, 90 or 98 % or another one in every layer, and each exporter with one of its
opsets, both drawn by the network's name.

same      outputs within 1e-4 of ONNX Runtime's largest, at batch 1 and at one of 3, 16 and 17 where the file leaves it
          open; the same bits on 1, 2, 3 and 5 threads, and from a saved and loaded file
unwritten torch's exporter refused the network, or ONNX Runtime does not run the file
failed    everything else
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import zoo

COLUMNS = ("network", "exporter", "opset", "outcome", "sparsity", "deviation", "parts", "left", "why")
SPARSITIES = (0.5, 0.7, 0.8, 0.9, 0.98, None)
OPSETS = {"torchscript": range(11, 21), "dynamo": range(18, 22)}
BATCHES = (3, 16, 17)
THREADS = (1, 3, 5)
LIMIT = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", help="SOURCE:NAME; all of the list if none is given")
    parser.add_argument("--list", choices=["all", *zoo.SOURCES], default="all")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--limit", type=float, default=300, help="seconds of processor time per network")
    options = parser.parse_args()
    zoo.TOOLS["sparse"] = _reach
    import torch

    torch.set_num_threads(1)
    with (options.out or Path(os.devnull)).open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        outcomes: Counter[tuple[str, str]] = Counter()
        for network in options.networks or zoo.every(options.list):
            found = zoo.in_a_process(network, "sparse", options.limit)
            for row in found.get("rows", [found]):
                outcomes[row.get("exporter", "both"), row["outcome"]] += 1
                writer.writerow({"network": network, **row})
                print(network, *(f"{row.get(column, '')!s:.200}" for column in COLUMNS[1:]), flush=True)
            file.flush()
    for (exporter, outcome), count in sorted(outcomes.items()):
        print(f"{exporter}: {count} {outcome}")


def _reach(build: Callable[[], Any], inputs: Any) -> dict[str, Any]:
    """Rows of both exporters."""
    network, given = _smallest(build, inputs)
    draw = zlib.crc32(f"{type(network).__name__} {sum(p.numel() for p in network.parameters())}".encode())
    sparsity = SPARSITIES[draw % len(SPARSITIES)]
    _prune(network, sparsity)
    rows = []
    for exporter, opsets in OPSETS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            opset, why = _written(network, given, path, exporter, opsets[draw % len(opsets) :])
            found = {"outcome": "unwritten", "why": why} if why else _compared(path, (1, BATCHES[draw % len(BATCHES)]))
        rows.append({"exporter": exporter, "opset": opset, "sparsity": sparsity or "uneven", **found})
    return {"rows": rows}


def _written(network: Any, given: tuple[Any, ...], path: Path, exporter: str, opsets: Sequence[int]) -> tuple[int, str]:
    """The first opset with which the network can be exported, with an open batch if possible; or why it cannot."""
    for opset in opsets:
        for batch_open in (True, False):
            try:
                _export(network, given, path, exporter, opset, batch_open)
                return opset, ""
            except Exception as error:
                why = f"{type(error).__name__}: {error}".splitlines()[0]
    return opset, why


def _smallest(build: Callable[[], Any], inputs: Any) -> tuple[Any, tuple[Any, ...]]:
    """The network in evaluation mode, and images of the fewest pixels with which it runs."""
    import torch

    from prunus.trace.trace import as_call

    network = build().eval()
    args, kwargs = as_call(inputs)
    given = (*args, *kwargs.values())
    if kwargs:
        network = _named(network, tuple(kwargs))
    if len(given) == 1 and given[0].ndim == 4:
        for side in (64, 96, 128, 192):
            with torch.no_grad():
                try:
                    network(torch.randn(2, given[0].shape[1], side, side))
                    return network, (torch.randn(1, given[0].shape[1], side, side),)
                except Exception:
                    continue
    return network, given


def _named(network: Any, names: tuple[str, ...]) -> Any:
    import torch

    class ByPosition(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *inputs: Any) -> Any:
            return tuple(zoo.tensors(self.network(**dict(zip(names, inputs, strict=True)))))

    return ByPosition().eval()


def _prune(network: Any, sparsity: float | None) -> None:
    """Zero each layer's smallest weights; statistics that change something, and no layer that is all zero before it."""
    import torch

    torch.manual_seed(1)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(getattr(module, "running_var", None), torch.Tensor):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
            weight = getattr(module, "weight", None)
            if not isinstance(weight, torch.Tensor) or weight.ndim < 2 or not weight.is_floating_point():
                continue
            if not weight.any():
                torch.nn.init.normal_(weight, std=0.05)
            share = sparsity if sparsity is not None else float(torch.rand(()))
            count = int(weight.numel() * share)
            if count and not isinstance(module, torch.nn.Embedding):
                weight.mul_(weight.abs() > weight.abs().flatten().kthvalue(count).values)


def _export(network: Any, given: tuple[Any, ...], path: Path, exporter: str, opset: int, batch_open: bool) -> None:
    import torch

    from prunus.system.quiet import quiet

    names = [f"input_{place}" for place in range(len(given))]
    with quiet(), torch.no_grad():
        if exporter == "torchscript":
            axes = {name: {0: "batch"} for name in names} if batch_open else None
            torch.onnx.export(
                network, given, str(path), dynamo=False, opset_version=opset, input_names=names, dynamic_axes=axes
            )
            return
        example = tuple(torch.cat([tensor, tensor]) for tensor in given) if batch_open else given
        shapes: Any = tuple({0: torch.export.Dim("batch")} for _ in given) if batch_open else None
        if shapes and any(each.kind is each.VAR_POSITIONAL for each in signature(network.forward).parameters.values()):
            shapes = (shapes,)
        program = torch.onnx.export(
            network, example, dynamo=True, opset_version=opset, dynamic_shapes=shapes, input_names=names, verbose=False
        )
        program.save(str(path))


def _compared(path: Path, batches: tuple[int, ...]) -> dict[str, Any]:
    """What the file gives beside ONNX Runtime."""
    import onnxruntime

    from prunus.sparse import from_onnx

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        return {"outcome": "unwritten", "why": str(error)}
    batch_open = not all(isinstance(value.shape[0], int) for value in session.get_inputs())
    row: dict[str, Any] = {"outcome": "same", "why": "", "deviation": 0.0}
    for batch in batches if batch_open else (None,):
        try:
            engine = from_onnx(path, batch=batch, threads=2)
        except Exception as error:
            return row | {"outcome": "failed", "why": f"{type(error).__name__}: {error}"}
        deviation, why = _checked(engine, session, path.parent)
        explained = engine.explain(runs=1)
        left = sorted({node.kind for layer in explained.layers for node in layer.left})
        row |= {"parts": len(engine.plan.parts), "left": " ".join(left)}
        row["deviation"] = f"{max(deviation, float(row['deviation'])):.1e}"
        if why or not deviation < LIMIT:
            return row | {"outcome": "failed", "why": why or f"another result at batch {batch}"}
    return row


def _checked(engine: Any, session: Any, folder: Path) -> tuple[float, str]:
    """The deviation from ONNX Runtime, and what else is wrong."""
    import numpy as np

    from prunus.sparse import load
    from prunus.sparse.engine import Engine

    inputs = list(_random(engine))
    expected = session.run(None, {port.name: array for port, array in zip(engine.inputs, inputs, strict=True)})
    found = _all(engine.run(*inputs))
    if [(a.shape, a.dtype) for a in found] != [(b.shape, b.dtype) for b in expected]:
        return float("inf"), "other shapes or types"
    if not all(np.array_equal(np.isfinite(a), np.isfinite(b)) for a, b in zip(found, expected, strict=True)):
        return float("inf"), "other places are not finite"
    scale = max(float(np.abs(np.nan_to_num(b.astype(float))).max(initial=0)) for b in expected) or 1.0
    pairs = [
        (np.nan_to_num(a.astype(float)), np.nan_to_num(b.astype(float))) for a, b in zip(found, expected, strict=True)
    ]
    deviation = max(float(np.abs(a - b).max(initial=0)) for a, b in pairs) / scale
    if deviation >= LIMIT or (engine.plan.batch == 1 and engine.inputs[0].shape):
        return deviation, ""
    engine.save(folder / "model.prunus")
    others = {f"{count} threads": Engine(engine.plan, count, engine.choices) for count in THREADS}
    others["loaded"] = load(folder / "model.prunus", threads=2)
    for name, other in others.items():
        if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, _all(other.run(*inputs)), strict=True)):
            return deviation, f"other bits: {name}"
    return deviation, ""


def _all(outputs: Any) -> tuple[Any, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _random(engine: Any) -> Iterator[Any]:
    import numpy as np

    generator = np.random.default_rng(0)
    for port in engine.inputs:
        if port.dtype.startswith("float"):
            yield generator.standard_normal(port.shape).astype(port.dtype)
        else:
            yield generator.integers(0, 2, port.shape).astype(port.dtype)


if __name__ == "__main__":
    main()
