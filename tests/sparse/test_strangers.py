"""What a stranger wrote into a packed or an ONNX file: right results or one clear error, and the process lives."""

import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx.helper import make_node as node

from prunus.errors import InputError, PrunusError
from prunus.sparse import apart, native, rehearsed, shapes
from prunus.sparse.compiling import from_onnx, load, plan_of
from prunus.sparse.engine import Engine
from prunus.sparse.packing import Choices, write_packed
from prunus.sparse.plan import ExecutionPlan, LeftNode, OnnxPart, Port
from prunus.sparse.program import Convolution, Linear, Pool, Program
from sparse.onnx_models import model, save
from sparse.packed import small_plan, weights
from sparse.reference import Reference

needs_native = pytest.mark.skipif(native.missing() is not None, reason="no native module")

NUMBERS = [1, 2, 7, 24, 2**24, 2**31 - 1, 2**31, 2**63, 10**30]
KERNELS = [
    *(f"{kind} {tile} {number}" for kind in ("sparse", "sparse2", "dense6", "dense-across", "dense-winograd6",
      "dense-winograd0", "sparse-whole") for tile in ("1x2", "4x4") for number in NUMBERS),
    *(f"{kind} {number}x{number} 4" for kind in ("sparse", "dense6", "dense-winograd6") for number in NUMBERS),
    *(f"dense{number} 1x2 4" for number in NUMBERS),
    "", "sparse", "dense", "none", "sparse 0x0 0", "sparse -1x2 3", "sparse ٣x1 4",
]  # fmt: skip


def layer(batch, side):
    """A convolution of 3x3 and a linear layer of two rows, as a plan."""
    conv = Convolution(output="y", input="x", weight="w", padding=(1, 1, 1, 1))
    linear = Linear(output="z", input="r", weight="l")
    constants = {"w": weights(16, 8, 3, 3, density=0.3), "l": weights(4, 8, density=0.3)}
    inputs = {"x": (batch, 8, side, side), "r": (2, 8)}
    ports = tuple(Port(name, "float32", shape) for name, shape in inputs.items())
    return ExecutionPlan(ports, ("y", "z"), (Program(inputs, (conv, linear), ("y", "z"), constants),))


@needs_native
@pytest.mark.parametrize(("batch", "side"), [(1, 7), (17, 4)])
def test_whatever_kernel_a_file_names_the_results_are_right(batch, side, tmp_path):
    plan, path, draw = layer(batch, side), tmp_path / "a.prunus", np.random.default_rng(0)
    given = [draw.standard_normal(port.shape).astype(np.float32) for port in plan.inputs]
    expected = Reference(plan.parts[0]).run(given)
    choices = Engine(plan, 1).choices[0]
    for kernel in KERNELS:
        kernels = ({**choices, "y": kernel, "z": kernel},)
        write_packed(path, [plan], [Choices(machine=native.machine(), threads=1, batch=batch, kernels=kernels)])
        for found, right in zip(load(path).run(*given), expected, strict=True):
            np.testing.assert_allclose(found, right, atol=1e-5, err_msg=kernel)


@needs_native
@pytest.mark.parametrize("kernels", [(), ({}, {}), ({"c": "sparse 1x1 1"}, {"y": "dense"})])
def test_kernels_for_another_number_of_parts_are_measured_anew(kernels, tmp_path):
    plan, path = small_plan(), tmp_path / "a.prunus"
    write_packed(path, [plan], [Choices(machine=native.machine(), threads=1, batch=2, kernels=kernels)])
    assert set(load(path).choices[0]) == {"c", "y"}


WIDE = {"output": "y", "input": "x"}
OVERFLOWING = [
    Convolution(**WIDE, weight="w", padding=(2**30, 0, 2**30, 0)),
    Convolution(**WIDE, weight="w", padding=(2**28 - 4, 0, 0, 0), strides=(2**27, 1)),
    Convolution(**WIDE, weight="w", strides=(2**31 - 1, 1)),
    Convolution(**WIDE, weight="w", dilation=(2**31 - 1, 1)),
    Pool(**WIDE, reduction="average", kernel=(2**30, 1), padding=(2**30 - 1, 0, 2**30 - 1, 0)),
    Pool(**WIDE, reduction="max", kernel=(1, 1), strides=(2**63, 1)),
]


@needs_native
@pytest.mark.parametrize("operation", OVERFLOWING, ids=str)
def test_sizes_that_would_overflow_are_refused(operation):
    program = Program({"x": (1, 1, 4, 4)}, (operation,), ("y",), {"w": np.ones((1, 1, 1, 1), np.float32)})
    with pytest.raises(PrunusError):
        Engine(ExecutionPlan((Port("x", "float32", (1, 1, 4, 4)),), ("y",), (program,)), 1)


@pytest.mark.parametrize("shape", [(0, 1, 4, 4), (2**20, 1, 2**10, 2**10)])
def test_a_program_of_tensors_that_cannot_be_is_refused(shape):
    pool = Pool(**WIDE, reduction="max", kernel=(1, 1))
    with pytest.raises(InputError, match=r"the shape of 'x' is.*A tensor has from 1"):
        shapes.infer_shapes(Program({"x": shape}, (pool,), ("y",)))


@needs_native
def test_an_image_too_large_for_the_kernels_is_one_clear_error(monkeypatch):
    monkeypatch.setattr("prunus.sparse.execution.convolving.LARGEST_IMAGE_BYTES", 1000)
    with pytest.raises(InputError, match=r"convolution that writes 'y'.*smaller image"):
        Engine(layer(1, 7), 1)


@needs_native
@pytest.mark.parametrize("batch", [1, 16])
def test_a_large_image_of_a_file_goes_to_onnx_runtime_and_a_batch_of_them_takes_no_lanes(batch, tmp_path, monkeypatch):
    weight = weights(4, 8, 3, 3)
    proto = model([node("Conv", ["x", "w"], ["y"])], {"x": (batch, 8, 7, 7)}, ["y"], {"w": weight})
    path = save(proto, tmp_path / "a.onnx")
    given = np.random.default_rng(0).standard_normal((batch, 8, 7, 7)).astype(np.float32)
    expected = from_onnx(path).run(given)
    most = 2 * 4 * 8 * 7 * 7
    monkeypatch.setattr(shapes, "LARGEST_IMAGE_BYTES", most)
    (left,) = plan_of(path).parts
    assert isinstance(left, OnnxPart)
    assert "too large" in left.nodes[0].reason
    monkeypatch.setattr(shapes, "LARGEST_IMAGE_BYTES", most + 8)
    monkeypatch.setattr("prunus.sparse.execution.prepared.LARGEST_IMAGE_BYTES", most + 8)
    engine = from_onnx(path)
    assert isinstance(engine.plan.parts[0], Program)
    np.testing.assert_allclose(engine.run(given), expected, atol=1e-5)


def aborting_model():
    """An inference of shapes in ONNX Runtime aborts on it: a size of its kernel overflows before a Slice."""
    constants = {
        "w": np.ones((4, 3, 3, 3), np.float32),
        "s": np.array([1]),
        "e": np.array([2**63 - 1]),
        "a": np.array([2]),
    }
    nodes = [
        node("Conv", ["x", "w"], ["c"], kernel_shape=[2**31 - 1, 3], pads=[1] * 4),
        node("Slice", ["c", "s", "e", "a", "s"], ["y"]),
    ]
    return model(nodes, {"x": (1, 3, 8, 8)}, ["y"], constants, opset=17)


def test_a_file_that_aborts_onnx_runtime_is_one_clear_error(tmp_path):
    path = save(aborting_model(), tmp_path / "a.onnx")
    with pytest.raises(InputError, match=r"a\.onnx cannot be loaded.*ended with the signal SIGABRT"):
        from_onnx(path)


def test_a_part_of_a_packed_file_that_aborts_onnx_runtime_is_one_clear_error(tmp_path):
    part = OnnxPart(aborting_model().SerializeToString(), ("x",), ("y",), (LeftNode("", "Conv", "it is odd"),))
    write_packed(tmp_path / "a.prunus", [ExecutionPlan((Port("x", "float32", (1, 3, 8, 8)),), ("y",), (part,))])
    with pytest.raises(InputError, match=r"a\.prunus cannot be loaded.*ended with the signal SIGABRT"):
        load(tmp_path / "a.prunus")


def test_a_part_of_a_packed_file_reads_no_other_file(tmp_path):
    proto = model([node("Add", ["x", "w"], ["y"])], {"x": (4,)}, ["y"], {"w": np.ones(4, np.float32)})
    onnx.external_data_helper.set_external_data(proto.graph.initializer[0], "/etc/hostname")
    part = OnnxPart(proto.SerializeToString(), ("x",), ("y",), (LeftNode("", "Add", "it is odd"),))
    write_packed(tmp_path / "a.prunus", [ExecutionPlan((Port("x", "float32", (4,)),), ("y",), (part,))])
    with pytest.raises(InputError, match="takes data from another file"):
        load(tmp_path / "a.prunus")


@pytest.fixture
def runs_apart(monkeypatch, tmp_path):
    """What ran in a process of its own from now on, with a cache folder that is empty to begin with."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    seen, run = [], apart._run_apart
    monkeypatch.setattr(apart, "_run_apart", lambda *given: [seen.append(given[2:]), run(*given)])
    return seen


def packed_part(proto, path, shape=(4,)):
    part = OnnxPart(proto.SerializeToString(), ("x",), ("y",), (LeftNode("", "Neg", ""),))
    write_packed(path, [ExecutionPlan((Port("x", "float32", shape),), ("y",), (part,))])
    return path


def test_a_model_that_was_rehearsed_is_not_rehearsed_again_and_any_other_is(runs_apart, tmp_path):
    first = packed_part(model([node("Neg", ["x"], ["y"])], {"x": (4,)}, ["y"]), tmp_path / "a.prunus")
    other = packed_part(model([node("Abs", ["x"], ["y"])], {"x": (4,)}, ["y"]), tmp_path / "b.prunus")
    for path, expected in ((first, 1), (first, 1), (other, 2), (other, 2)):
        load(path)
        assert len(runs_apart) == expected
    assert load(first).run(np.ones(4, np.float32)).tolist() == [-1] * 4
    assert len((tmp_path / "cache/prunus/rehearsed").read_text().split()) == 2


def test_a_model_that_ends_its_rehearsal_is_rehearsed_every_time(runs_apart, tmp_path):
    path = packed_part(aborting_model(), tmp_path / "a.prunus", (1, 3, 8, 8))
    for expected in (1, 2):
        with pytest.raises(InputError, match="SIGABRT"):
            load(path)
        assert len(runs_apart) == expected
    assert not (tmp_path / "cache/prunus/rehearsed").exists()


@pytest.mark.parametrize("spoil", [lambda record: record.mkdir(parents=True), lambda record: record.parent.touch()])
def test_without_a_record_every_loading_rehearses(spoil, runs_apart, tmp_path):
    (tmp_path / "cache").mkdir()
    spoil(tmp_path / "cache/prunus/rehearsed")
    path = packed_part(model([node("Neg", ["x"], ["y"])], {"x": (4,)}, ["y"]), tmp_path / "a.prunus")
    for expected in (1, 2):
        load(path)
        assert len(runs_apart) == expected


def test_a_record_that_is_too_long_begins_anew(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(rehearsed, "LARGEST_RECORD", 130)
    digests = [rehearsed.digest_of([bytes([place])]) for place in range(5)]
    for digest in digests:
        rehearsed.record(digest)
    assert [rehearsed.is_recorded(digest) for digest in digests] == [False, False, False, True, True]


WITHOUT_MEMORY = """
import resource
import numpy as np
from prunus.errors import MissingError
from prunus.sparse.engine import Engine
from sparse.strangers import layer
plan = layer(64, 64)
engine = Engine(plan, 4, ({"y": "sparse 1x4 1", "z": "dense"},))
given = [np.ones(port.shape, np.float32) for port in plan.inputs]
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
outputs = 64 * 16 * 64 * 64 * 4
resource.setrlimit(resource.RLIMIT_AS, (taken + outputs + 2**16, resource.RLIM_INFINITY))
try:
    engine.run(*given)
except MissingError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(engine.run(*given)[0].shape)
"""


@needs_native
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
def test_a_thread_that_gets_no_memory_is_one_clear_error_and_the_engine_runs_on(tmp_path):
    code = WITHOUT_MEMORY.replace("sparse.strangers", "sparse.test_strangers")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=os.path.dirname(os.path.dirname(__file__))
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The engine cannot be run. No memory is left (std::bad_alloc)"), done.stdout
    assert done.stdout.endswith("(64, 16, 64, 64)\n")
