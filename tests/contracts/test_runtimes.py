"""What every registered runtime must do; a new one is tested without being named here."""

import copy
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from prunus.errors import InputError
from prunus.export import WrittenFile
from prunus.measure import (
    RUNTIMES,
    NetworkFiles,
    Runtime,
    Variant,
    named_model,
    network_path,
    random_inputs,
    runtime_of,
    write_for_all,
)
from prunus.measure.machine import package_versions
from prunus.models import build_model
from prunus.spec import Part
from prunus.store.files import files_of


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """(variant, model) of a small VGG with random weights, half of them zero."""
    folder = tmp_path_factory.mktemp("network")
    torch.manual_seed(0)
    model = build_model(Part(name="vgg-digits"), (1, 8, 8), 10).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(torch.rand_like(parameter) > 0.5)
    sizes = {"batch_sizes": (1, 2, 3, 5, 64, 256), "threads": (1, 2)}
    network = NetworkFiles(model, torch.zeros(1, 1, 8, 8), folder, **sizes)
    assert list(write_for_all(RUNTIMES, network)) == []
    files = {file.format: file.path for file in network.written.values()}
    builder = named_model(Part(name="vgg-digits"), (1, 8, 8), 10)
    return Variant(input_shape=(1, 8, 8), files=files, builder=builder), model


@pytest.fixture(params=RUNTIMES.names())
def runtime(request):
    kind = RUNTIMES.get(request.param)()
    if reason := kind.available():
        pytest.skip(f"{request.param}: {reason}")
    return kind


def test_it_is_frozen_and_says_what_it_takes(runtime):
    assert isinstance(runtime, Runtime)
    assert re.fullmatch(r"[a-z0-9_]+", runtime.file_format)
    assert type(runtime).model_config["frozen"]


def test_what_it_writes_takes_the_place_of_what_was_there(runtime, tmp_path):
    part = Part(name="mlp", settings={"hidden": [4]})
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = build_model(part, (1, 8, 8), 10).train()
        before = copy.deepcopy(model.state_dict())
        written = runtime.write(NetworkFiles(model, torch.zeros(2, 1, 8, 8), tmp_path / "new"))
        assert model.training
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
        assert written == WrittenFile.of(runtime.file_format, written.path, written.deviation)
        assert written.path == network_path(tmp_path / "new", runtime.file_format)
        assert written.size_bytes == sum(file.stat().st_size for file in files_of(written.path)) > 0
        assert 0 <= written.deviation < 1e-4
    variant = Variant(
        input_shape=(1, 8, 8), files={runtime.file_format: written.path}, builder=named_model(part, (1, 8, 8), 10)
    )
    inputs = random_inputs((1, 8, 8), 2)
    with runtime.limited(1), torch.no_grad():
        found, expected = np.asarray(runtime.load(variant, inputs, 1)()), model.eval()(torch.from_numpy(inputs))
    assert np.allclose(found, expected.numpy(), atol=1e-4)


def test_its_packages_are_installed(runtime):
    assert set(package_versions(runtime.packages)) >= set(runtime.packages)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_outputs_are_torchs(runtime, network, batch_size):
    variant, model = network
    inputs = random_inputs((1, 8, 8), batch_size)
    with runtime.limited(1):
        found = np.asarray(runtime.load(variant, inputs, 1)())
    with torch.no_grad():
        expected = model(torch.from_numpy(inputs)).numpy()
    assert found.shape == expected.shape == (batch_size, 10)
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def test_the_same_inputs_give_the_same_bits(runtime, network):
    variant, _ = network
    with runtime.limited(1):
        first, second = (runtime.load(variant, random_inputs((1, 8, 8), 5), 1) for _ in range(2))
        results = [np.asarray(run()).copy() for run in (first, second, first)]
    assert all(np.array_equal(results[0], other) for other in results)


def test_inputs_are_not_changed(runtime, network):
    inputs = random_inputs((1, 8, 8), 2)
    with runtime.limited(1):
        runtime.load(network[0], inputs, 1)()
    assert np.array_equal(inputs, random_inputs((1, 8, 8), 2))


def test_a_missing_or_damaged_file_is_one_clear_error(runtime, network, tmp_path):
    variant, _ = network
    inputs = random_inputs((1, 8, 8), 1)
    with pytest.raises(InputError, match=f"no {runtime.file_format} file"):
        runtime.load(variant.model_copy(update={"files": {}}), inputs, 1)
    damaged, whole = tmp_path / "damaged", variant.file(runtime.file_format)
    shutil.copytree(whole, damaged) if whole.is_dir() else shutil.copy(whole, damaged)
    for file in files_of(damaged):
        file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged"):
        runtime.load(variant.model_copy(update={"files": {runtime.file_format: damaged}}), inputs, 1)


COUNT_BUSY_THREADS = """
import glob, sys, time
from prunus.measure import Variant, random_inputs, runtime_of
runtime, threads, variant = runtime_of(sys.argv[1]), int(sys.argv[2]), Variant.model_validate_json(sys.argv[3])
def ticks():
    stats = {path: open(path).read().rpartition(")")[2].split() for path in glob.glob("/proc/self/task/*/stat")}
    return {path: int(fields[11]) + int(fields[12]) for path, fields in stats.items()}
with runtime.limited(threads):
    run = runtime.load(variant, random_inputs(variant.input_shape, 256), threads)
    run()
    before, end = ticks(), time.process_time() + 0.6
    while time.process_time() < end:
        run()
print(sum(spent - before.get(path, 0) >= 5 for path, spent in ticks().items()))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are counted in /proc")
@pytest.mark.parametrize("threads", [1, 2])
def test_no_more_threads_compute_than_asked_for(runtime, network, threads):
    name = next(name for name in RUNTIMES if RUNTIMES.get(name) is type(runtime))
    arguments = [name, str(threads), network[0].model_dump_json()]
    command = [sys.executable, "-c", COUNT_BUSY_THREADS, *arguments]
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    busy = int(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert 1 <= busy <= threads


def test_a_process_s_threads_are_as_before(runtime):
    before = torch.get_num_threads()
    with runtime.limited(before + 1):
        pass
    assert torch.get_num_threads() == before


def test_an_unknown_runtime_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'onnxruntime'"):
        runtime_of("onnxruntim")
