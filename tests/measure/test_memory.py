import gc
import mmap
import subprocess
import sys

import pytest

from prunus.errors import MissingError, PrunusError
from prunus.measure import MemoryHost, ModelBuilder
from prunus.measure.peak import can_be_reset, peak_bytes, reset_peak

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peaks are read from /proc")

MEGABYTE = 1_000_000

FRESH = """
import sys
from prunus.measure import Variant, random_inputs, runtime_of
def peak():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
runtime, variant = runtime_of(sys.argv[1]), Variant.model_validate_json(sys.argv[2])
runtime.prepare(variant)
inputs = random_inputs(variant.input_shape, 8)
before = peak()
if sys.argv[3] == "with":
    with runtime.limited(1):
        runtime.load(variant, inputs, 1)()
print(peak())
"""


def in_a_fresh_process(runtime, variant, how):
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path)), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", FRESH, runtime, variant.model_dump_json(), how]
    return int(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


@pytest.fixture(scope="module")
def large(write_variant):
    """About 100 MB of weights."""
    variant, model = write_variant({"name": "vgg", "plan": [4, "M"], "linear": [3200, 7900]})
    assert 100 * MEGABYTE < sum(p.nbytes for p in model.parameters()) < 110 * MEGABYTE
    return variant


@pytest.mark.parametrize("runtime", ["torch", "onnxruntime"])
def test_a_fork_measures_what_a_fresh_process_does(runtime, small, large):
    with MemoryHost(runtime) as host:
        forked = {"small": host.measure(small[0], batch_size=8), "large": host.measure(large, batch_size=8)}
    without = in_a_fresh_process(runtime, large, "without")
    for name, variant in (("small", small[0]), ("large", large)):
        fresh = in_a_fresh_process(runtime, variant, "with") - without
        assert forked[name].network_bytes == pytest.approx(fresh, rel=0.15, abs=2 * MEGABYTE)
        assert forked[name].baseline_bytes == pytest.approx(without, rel=0.15)
    assert forked["large"].network_bytes > 100 * MEGABYTE


def test_really_fresh_processes_give_the_same(small):
    with MemoryHost("onnxruntime", fresh=True) as fresh, MemoryHost("onnxruntime") as forked:
        one, other = (host.measure(small[0], batch_size=1).network_bytes for host in (fresh, forked))
    assert one == pytest.approx(other, abs=2 * MEGABYTE)


def test_a_larger_batch_takes_more(write_variant):
    variant, _ = write_variant({"name": "vgg", "plan": [64, "M"], "linear": [8]}, (1, 32, 32))
    with MemoryHost("onnxruntime") as host:
        one, many = (host.measure(variant, batch_size=batch).network_bytes for batch in (1, 64))
    # one activation of 64 images: 64 channels of 32x32 fp32 are 16.8 MB
    assert many - one > 15 * MEGABYTE


def test_what_fails_is_said_and_the_host_goes_on(small, tmp_path):
    variant, _ = small
    (tmp_path / "bad").write_bytes(b"no")
    broken = variant.model_copy(update={"files": {"onnx": tmp_path / "bad"}})
    with MemoryHost("onnxruntime") as host:
        with pytest.raises(PrunusError, match=r"Memory on onnxruntime was not measured\. ONNX Runtime cannot load"):
            host.measure(broken, batch_size=1)
        assert host.measure(variant, batch_size=1).network_bytes > 0


def test_a_builder_that_is_not_there(small):
    variant = small[0].model_copy(update={"builder": ModelBuilder(function="prunus.nowhere:build")})
    with MemoryHost("torch") as host, pytest.raises(PrunusError, match=r"cannot be built by 'prunus.nowhere:build'"):
        host.measure(variant, batch_size=1)


def test_an_error_of_the_users_own_function_is_told(small):
    builder = ModelBuilder(function="json:loads", arguments={"nonsense": 1})
    with MemoryHost("torch") as host, pytest.raises(PrunusError, match="TypeError: loads"):
        host.measure(small[0].model_copy(update={"builder": builder}), batch_size=1)


def test_a_network_that_hangs_does_not_hang_the_study(small):
    hanging = ModelBuilder(function="subprocess:run", arguments={"args": ["sleep", "5"]})
    with MemoryHost("torch", longest_seconds=2) as host:
        with pytest.raises(PrunusError, match="longer than 2 seconds"):
            host.measure(small[0].model_copy(update={"builder": hanging}), batch_size=1)
        assert host.measure(small[0], batch_size=1).network_bytes > 0


def test_a_network_that_needs_more_than_there_is(small):
    with MemoryHost("torch") as host:
        with pytest.raises(PrunusError, match="Memory on torch was not measured"):
            host.measure(small[0], batch_size=2**33)
        assert host.measure(small[0], batch_size=1).network_bytes > 0


def test_no_process_is_left(small):
    with MemoryHost("onnxruntime") as host:
        host.measure(small[0], batch_size=1)
        process = host._process
        assert process.poll() is None
    assert process.poll() == 0


def test_an_absent_runtime_is_refused_before_anything_starts(monkeypatch):
    from prunus.measure.runtimes.onnx_runtime import OnnxRuntime

    monkeypatch.setattr(OnnxRuntime, "available", lambda self: "run: pip install onnxruntime")
    with pytest.raises(MissingError, match="pip install onnxruntime"):
        MemoryHost("onnxruntime")


def test_the_peak_rises_with_an_allocation_and_can_be_reset():
    assert can_be_reset()
    gc.collect()  # what other tests left behind must not be freed in between
    reset_peak()
    before = peak_bytes()
    with mmap.mmap(-1, 50 * MEGABYTE) as block:  # pages of its own: malloc may keep what is freed in a hole of its heap
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1
        assert peak_bytes() - before == pytest.approx(50 * MEGABYTE, rel=0.1)
    reset_peak()
    assert peak_bytes() < before + 25 * MEGABYTE


def test_the_host_of_one_runtime_imports_no_other():
    command = "import prunus.measure.memory_host, sys; print('torch' in sys.modules, 'onnxruntime' in sys.modules)"
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
