"""The sparse runtime on every model that the onnx package brings for the tests of runtimes, beside ONNX Runtime.

    python benchmarks/sparse_onnx_tests.py                  # about 2,000 models, most of one operator; half an hour
    python benchmarks/sparse_onnx_tests.py softmax light_   # those with these words in their names

same      equal shapes, types and values within 1e-4 of ONNX Runtime's largest
skipped   ONNX Runtime does not run it, or takes what is no tensor
failed    everything else
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime  # noqa: F401  (once, before the processes are forked)
from onnx import numpy_helper
from sparse_reach import LIMIT

from prunus.sparse import from_onnx
from prunus.sparse.native import load_module
from prunus.system.onnx_session import open_session

Case = tuple[str, onnx.ModelProto, list[Any]]
SECONDS = 300


def main() -> None:
    words = sys.argv[1:]
    load_module()
    outcomes: Counter[str] = Counter()
    for name, model, inputs in cases():
        if words and not any(word in name for word in words):
            continue
        outcome, why = in_a_process(model, inputs)
        outcomes[outcome] += 1
        if outcome == "failed" or words:
            print(f"{name}: {outcome} {why:.300}", flush=True)
    print(", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()))


def cases() -> Iterator[Case]:
    """Models of one operator as they are made, then those that lie in files."""
    from onnx.backend.test.case.node import collect_testcases

    for case in collect_testcases(None):
        if case.model is not None:
            yield case.name, case.model, list(case.data_sets[0][0])
    data = Path(onnx.__file__).parent / "backend/test/data"
    for path in sorted(data.glob("*/*/model.onnx")):
        files = [path.parent / f"test_data_set_0/input_{i}.pb" for i in range(100)]
        tensors = [onnx.TensorProto.FromString(file.read_bytes()) for file in files if file.exists()]
        if all(tensor.data_type for tensor in tensors):
            yield path.parent.name, onnx.load(str(path)), [numpy_helper.to_array(tensor) for tensor in tensors]
    for path in sorted(data.glob("light/*.onnx")):
        model = onnx.load(str(path))
        constants = {tensor.name for tensor in model.graph.initializer}
        shapes = [v.type.tensor_type.shape.dim for v in model.graph.input if v.name not in constants]
        generator = np.random.default_rng(0)
        yield path.stem, model, [generator.standard_normal([d.dim_value for d in s]).astype("f") for s in shapes]


def in_a_process(model: onnx.ModelProto, inputs: list[Any]) -> tuple[str, str]:
    """What became of a model; it may crash or hang."""
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=lambda: sender.send(compared(model, inputs)))
    process.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(SECONDS) else ("failed", f"did not end in {SECONDS} s")
    except EOFError:
        process.join()
        return "failed", f"ended with {process.exitcode}"
    finally:
        process.kill()
        process.join()


def compared(model: onnx.ModelProto, inputs: list[Any]) -> tuple[str, str]:
    """Its outcome, and why."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, str(path))
        try:
            session = open_session(path)
            given = {value.name: array for value, array in zip(session.get_inputs(), inputs, strict=True)}
            expected = session.run(None, given)
        except Exception as error:
            return "skipped", str(error)
        if not all(isinstance(array, np.ndarray) for array in given.values()):
            return "skipped", "an input is no tensor"
        try:
            engine = from_onnx(path, shapes={name: array.shape for name, array in given.items()})
            found = engine.run(*(given[port.name] for port in engine.inputs))
            engine.save(Path(folder) / "model.prunus")
        except Exception as error:
            return "failed", f"{type(error).__name__}: {error}"
    pairs = zip(_flat(found), _flat(expected), strict=True)
    why = next(filter(None, (_difference(np.asarray(a), np.asarray(b)) for a, b in pairs)), "")
    return ("failed" if why else "same"), why


def _flat(outputs: Any) -> Iterator[Any]:
    """All arrays, those of sequences among them."""
    if isinstance(outputs, tuple | list):
        for output in outputs:
            yield from _flat(output)
    else:
        yield outputs


def _difference(found: Any, expected: Any) -> str:
    if (found.shape, found.dtype) != (expected.shape, expected.dtype):
        return f"{found.dtype} {found.shape} instead of {expected.dtype} {expected.shape}"
    if expected.dtype.kind not in "fc":
        return "" if np.array_equal(found, expected) else "other values"
    scale = float(np.abs(expected[np.isfinite(expected)]).max(initial=0)) or 1.0
    same = np.allclose(found, expected, rtol=0, atol=LIMIT * scale, equal_nan=True)
    return "" if same else "other values"


if __name__ == "__main__":
    main()
