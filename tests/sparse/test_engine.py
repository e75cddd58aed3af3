import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from onnx.helper import make_node as node
from torch import nn

import prunus
from prunus.errors import InputError, MissingError
from prunus.export import write_onnx
from prunus.sparse import native
from prunus.sparse.compiling import load, pack
from prunus.sparse.engine import Engine
from prunus.sparse.execution.choosing import Chooser, forget_measured
from prunus.sparse.plan import ExecutionPlan, Port
from prunus.sparse.program import Convolution, Program
from sparse.executors import EXECUTORS, reference
from sparse.onnx_models import model, save
from sparse.packed import small_plan, weights


def images(batch=2, seed=0):
    return np.random.default_rng(seed).standard_normal((batch, 3, 6, 6)).astype(np.float32)


@pytest.fixture(params=EXECUTORS)
def engine(request):
    return Engine(small_plan(), 2, prepare=request.param)


def test_arrays_give_arrays_and_tensors_give_tensors(engine):
    found = engine.run(images())
    assert isinstance(found, np.ndarray)
    assert found.shape == (2, 5)
    from_tensor = engine.run(torch.from_numpy(images()).requires_grad_())
    assert isinstance(from_tensor, torch.Tensor)
    assert np.array_equal(from_tensor.numpy(), found)
    assert np.array_equal(engine.run(images()[..., ::-1].copy()[..., ::-1]), found)
    assert np.array_equal(engine.run(images().astype(">f4")), found)
    shifted = np.frombuffer(b"." + images().tobytes(), np.float32, offset=1).reshape(images().shape)
    assert np.array_equal(engine.run(shifted), found)


def test_inputs_stay_and_results_are_new(engine):
    inputs = images()
    first = engine.run(inputs)
    kept = first.copy()
    engine.run(images(seed=1))
    assert np.array_equal(inputs, images())
    assert np.array_equal(first, kept)


def test_outputs_that_are_inputs_or_constants_are_new_too(tmp_path):
    constants = {"w": np.ones(3, np.float32)}
    path = save(model([node("Relu", ["x"], ["y"])], {"x": (3,)}, ["x", "w", "y"], constants), tmp_path / "model.onnx")
    engine = prunus.sparse.from_onnx(path)
    given = np.ones(3, np.float32)
    for output in engine.run(given):
        output[:] = 0
    assert [output.tolist() for output in engine.run(given)] == [[1, 1, 1]] * 3


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([images(3)], r"input 'x' is float32 \(3, 3, 6, 6\).*compile another engine for batches of 3"),
        ([images()[:, :, :5]], r"made for \(2, 3, 6, 6\).*give it in that shape"),
        ([images().astype(np.float64)], "is float64.*takes float32.*convert"),
        ([torch.zeros(2, 3, 6, 6, dtype=torch.int64)], "is int64"),
        ([torch.zeros(2, 3, 6, 6, dtype=torch.bfloat16)], "is torch.bfloat16.*give float32"),
        ([images().tolist()], "is of type list"),
        ([], "was given 0 inputs.*takes 1: x"),
        ([images(), images()], "was given 2 inputs"),
    ],
)
def test_other_inputs_are_one_clear_error(engine, inputs, message):
    with pytest.raises(InputError, match=f"(?i){message}"):
        engine.run(*inputs)


def test_it_explains_every_operation(engine):
    explained = engine.explain(runs=2)
    names = [layer.name for layer in explained.layers]
    assert names == [operation.output for operation in engine.plan.parts[0].operations]
    table = str(explained)
    assert all(name in table for name in names)
    assert "0 crossings" in table
    weighted = [layer for layer in explained.layers if layer.sparsity is not None]
    assert weighted
    assert all(0 <= layer.sparsity < 1 and layer.gflops > 0 for layer in weighted)


def test_explained_numbers_are_those_of_their_definition():
    first = Engine(small_plan(), 1, prepare=reference).explain().layers[0]
    assert (first.kind, first.ms) == ("convolution", 0.5)
    assert first.sparsity == 0.75
    assert first.gflops == 2 * 100 / 0.5e-3 / 1e9


@pytest.mark.skipif(native.missing() is not None, reason=str(native.missing()))
@pytest.mark.parametrize(("strides", "batch"), [((1, 1), 1), ((2, 2), 1), ((3, 2), 16), ((3, 3), 16)])
def test_strides_change_neither_sparsity_nor_gflops(strides, batch):
    """Native kernels have more zeros than the weights, where they take a stride apart into phases."""
    weight = np.zeros((8, 4, 3, 3), np.float32)
    weight.ravel()[:60] = 1
    convolution = Convolution(output="y", input="x", weight="w", strides=strides)
    program = Program({"x": (batch, 4, 12, 12)}, (convolution,), ("y",), {"w": weight})
    plan = ExecutionPlan((Port("x", "float32", (batch, 4, 12, 12)),), ("y",), (program,))
    (layer,) = Engine(plan, 1).explain(runs=1).layers
    pixels = (9 // strides[0] + 1) * (9 // strides[1] + 1)
    assert layer.sparsity == 1 - 60 / 288
    assert layer.gflops * layer.ms == pytest.approx(2 * batch * pixels * 288 / 1e6)


def test_no_threads_is_an_error():
    with pytest.raises(InputError, match="with 0 threads"):
        Engine(small_plan(), 0, prepare=reference)


def test_what_was_handed_over_is_checked(tmp_path):
    """An operator whose declared shape is not the one that it gives must not reach native code."""
    nodes = [
        node("Compress", ["x", "keep"], ["a"], axis=1),
        node("Reshape", ["a", "shape"], ["b"]),
        node("MatMul", ["b", "w"], ["y"]),
    ]
    constants = {"shape": np.array([0, 4], np.int64), "w": np.ones((4, 2), np.float32)}
    proto = model(nodes, {"x": (2, 4), "keep": (4,)}, ["y"], constants, dtypes={"keep": "bool"})
    plan = prunus.sparse.compiling.plan_of(save(proto, tmp_path / "a.onnx"))
    engine = Engine(plan, 1, prepare=reference)
    everything = np.ones(4, bool)
    assert engine.run(np.ones((2, 4), np.float32), everything).tolist() == [[4, 4], [4, 4]]
    with pytest.raises(prunus.PrunusError):
        engine.run(np.ones((2, 4), np.float32), everything[::-1] & [True, True, False, True])


def test_without_the_native_module_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(native, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"sparse runtime cannot be used here.*native module.*compiler"):
        Engine(small_plan(), 1)


@pytest.mark.skipif(native.missing() is not None, reason="no native module")
def test_saved_and_loaded_it_computes_the_same_bits(tmp_path):
    engine = Engine(small_plan(), 2)
    expected = engine.run(images())
    engine.save(tmp_path / "model.prunus")
    again = load(tmp_path / "model.prunus", threads=2)
    assert again.choices == engine.choices
    assert np.array_equal(again.run(images()), expected)
    assert np.array_equal(load(tmp_path / "model.prunus", threads=1).run(images()).shape, expected.shape)


@pytest.mark.skipif(native.missing() is not None, reason="no native module")
def test_a_module_is_compiled_as_it_is_and_left_so():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.SiLU())
    network(torch.randn(4, 3, 6, 6))
    engine = prunus.sparse.compile(network, torch.zeros(2, 3, 6, 6))
    assert network.training
    with torch.no_grad():
        expected = network.eval()(torch.from_numpy(images())).numpy()
    found = engine.run(images())
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert len(engine.plan.parts[0].operations) == 1


def test_importing_prunus_and_its_sparse_room_imports_neither_torch_nor_onnx():
    code = (
        "import sys, prunus; assert 'prunus.sparse' not in sys.modules; prunus.sparse.load;"
        "print([name for name in ('torch', 'onnx', 'onnxruntime', 'prunus._native') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(native.missing() is not None, reason="needs the native module")
def test_threads_that_run_one_engine_take_turns():
    one = Engine(small_plan(), 2)
    other = Engine(small_plan(), 2, one.choices)  # other kernels sum in another order
    expected = [one.run(images(seed=seed)) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            found = pool.map(lambda seed: (one if seed % 3 else other).run(images(seed=seed)), range(8))
            assert all(np.array_equal(mine, alone) for mine, alone in zip(found, expected, strict=True))


@pytest.mark.skipif(not hasattr(os, "fork") or native.missing() is not None, reason="needs fork and the native module")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_an_engine_runs_in_a_forked_process():
    engine = Engine(small_plan(), 3)
    expected = engine.run(images())
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # workers do not survive a fork; waiting for them would never end
        same = np.array_equal(engine.run(images()), expected)
        del engine
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert np.array_equal(engine.run(images()), expected)


@pytest.mark.skipif(not hasattr(os, "fork") or native.missing() is not None, reason="needs fork and the native module")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_an_engine_runs_in_a_process_that_was_forked_during_a_run():
    """The thread that runs it, and would let go of it, is not in that process."""
    shape, weight = (1, 32, 64, 64), np.ones((32, 32, 3, 3), np.float32) / 300
    program = Program(
        {"x": shape}, (Convolution(output="y", input="x", weight="w", padding=(1, 1, 1, 1)),), ("y",), {"w": weight}
    )
    engine, over = Engine(ExecutionPlan((Port("x", "float32", shape),), ("y",), (program,)), 2), threading.Event()
    given = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    expected = engine.run(given)

    def run_on() -> None:
        while not over.is_set():
            engine.run(given)

    thread = threading.Thread(target=run_on)
    thread.start()
    try:
        for _ in range(10):
            time.sleep(0.01)
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                os._exit(0 if np.array_equal(engine.run(given), expected) else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        over.set()
        thread.join()


def layers(batch, density=0.1):
    """Three convolutions of which the middle one has several blocks of channels."""
    shape = (batch, 3, 16, 16)
    constants = {"a": weights(64, 3, 3, 3, density=density), "b": weights(64, 64, 3, 3, density=density, seed=1)}
    operations = tuple(
        Convolution(output=out, input=given, weight=weight, padding=(1, 1, 1, 1))
        for out, given, weight in (("y", "x", "a"), ("z", "y", "b"), ("o", "z", "b"))
    )
    return ExecutionPlan(
        (Port("x", "float32", shape),), ("o",), (Program({"x": shape}, operations, ("o",), constants),)
    )


@pytest.mark.skipif(native.missing() is not None, reason="no native module")
@pytest.mark.parametrize("batch", [1, 17])
@pytest.mark.parametrize("density", [0.1, 0.7, 1.0])
def test_fixed_kernels_give_the_same_bits_with_any_number_of_threads_and_are_saved(batch, density, tmp_path):
    plan = layers(batch, density)
    one, other = Engine(plan, 1, kernels="fixed"), Engine(plan, 3, kernels="fixed")
    given = np.random.default_rng(0).standard_normal(plan.inputs[0].shape).astype(np.float32)
    expected = one.run(given)
    assert one.choices == other.choices
    assert all(kernel.startswith("sparse" if density < 0.5 else "dense") for kernel in one.choices[0].values())
    assert np.array_equal(other.run(given), expected)
    one.save(tmp_path / "a.prunus")
    again = load(tmp_path / "a.prunus", threads=2)
    assert (again.kernels, again.choices) == ("fixed", one.choices)
    assert np.array_equal(again.run(given), expected)


@pytest.mark.skipif(native.missing() is not None, reason="no native module")
@pytest.mark.parametrize("batch", [1, 17])
def test_engines_of_one_process_give_the_same_bits_with_any_number_of_threads(batch, tmp_path):
    plan = layers(batch, 0.3)
    one, *others = (Engine(plan, threads) for threads in (2, 1, 3, 2))
    given = np.random.default_rng(0).standard_normal(plan.inputs[0].shape).astype(np.float32)
    expected = one.run(given)
    assert all(other.choices == one.choices for other in others)
    assert all(np.array_equal(other.run(given), expected) for other in others)
    one.save(tmp_path / "a.prunus")
    forget_measured()  # as in another process
    again = load(tmp_path / "a.prunus", threads=1)
    assert again.choices == one.choices
    assert np.array_equal(again.run(given), expected)


@pytest.mark.skipif(native.missing() is not None, reason="no native module")
def test_a_file_packed_with_fixed_kernels_says_so_for_every_batch_size(tmp_path, monkeypatch):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    write_onnx(model, torch.zeros(2, 3, 8, 8), tmp_path / "a.onnx")
    monkeypatch.setattr(Chooser, "_measure", None)
    pack(tmp_path / "a.onnx", tmp_path / "a.prunus", batches=(1, 3), kernels="fixed")
    engines = [load(tmp_path / "a.prunus", batch=batch, threads=2) for batch in (1, 3, 5)]
    assert all(engine.kernels == "fixed" for engine in engines)
    with pytest.raises(InputError, match="Kernels cannot be 'fast'"):
        pack(tmp_path / "a.onnx", tmp_path / "b.prunus", kernels="fast")


def test_a_way_to_choose_kernels_that_is_unknown_is_one_clear_error():
    with pytest.raises(InputError, match=r"Kernels cannot be 'fix'.*Did you mean 'fixed'"):
        Engine(small_plan(), 1, kernels="fix")


@pytest.mark.skipif(native.missing() is not None, reason="no native module")
def test_a_layer_of_zeros_runs_on_a_sparse_kernel_though_others_use_the_machine():
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        chosen = []
        for _ in range(3):
            forget_measured()
            chosen += Engine(layers(1, 0.1), 1).choices[0].values()
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert all(kernel.startswith("sparse") for kernel in chosen), chosen
