"""A runtime of another package, with a format of its own that is named nowhere else: one file and one line."""

import os
import sys

import pytest
import torch

from prunus.errors import PrunusError
from prunus.measure import RUNTIMES, named_model
from prunus.measure.benchmark import benchmark
from prunus.measure.findings import examine
from prunus.measure.stopwatch import Place, Stopwatch
from prunus.models import build_model
from prunus.spec import Part
from prunus.store import Store, read_study
from prunus.store.files import files_of
from prunus.sweep.blocks import missing_blocks
from prunus.sweep.folder import StudyFolder
from small_study import ONE_RECIPE, ONE_SEED
from study_fixtures import run, study_file

__all__ = ["run", "study_file"]

RUNTIME = '''
import onnx.reference, pathlib
from prunus.errors import InputError
from prunus.export import checked, write_network_files
from prunus.measure import Runtime

class Halves(Runtime):
    """Runs ONNX's own reference; a network is two files, the halves of its graph."""

    file_format = "halves"

    def available(self):
        return None

    def write(self, network):
        content = network.onnx().path.read_bytes()
        middle = len(content) // 2
        session = onnx.reference.ReferenceEvaluator(onnx.load_from_string(content))
        run = lambda arrays: session.run(None, {"input": arrays[0]})
        deviation = checked("halved", run, network.model, (network.example,))
        contents = {"1": content[:middle], "2": content[middle:]}
        return write_network_files(self.file_format, network.path(self.file_format), contents, deviation)

    def prepare(self, variant):
        import onnx.reference

    def load(self, variant, inputs, threads):
        content = b"".join((variant.file(self.file_format) / name).read_bytes() for name in "12")
        session = onnx.reference.ReferenceEvaluator(onnx.load_from_string(content))
        return lambda: session.run(None, {"input": inputs})[0]
'''
BROKEN = '''
from prunus.measure import Runtime

class Old(Runtime):
    """Made for an interface without `write`."""
    file_format = "old"
    def available(self): return None
    def prepare(self, variant): ...
    def load(self, variant, inputs, threads): ...

class Formless(Runtime):
    def available(self): return None
    def write(self, network): ...
    def prepare(self, variant): ...
    def load(self, variant, inputs, threads): ...

class Unsure(Old):
    def available(self): return 1 / 0
    def write(self, network): ...

class Failing(Old):
    file_format = "failing"
    def write(self, network): raise OSError("no room for it")

class Loading(Old):
    file_format = "loading"
    def write(self, network): return network.onnx()
    def load(self, variant, inputs, threads): raise KeyError("layer 3")
'''


@pytest.fixture
def plugged(tmp_path_factory, monkeypatch):
    """Installs packages with runtimes: name -> source."""

    def plug(source, **names):
        folder = tmp_path_factory.mktemp("packages")
        (folder / "others-1.0.dist-info").mkdir()
        (folder / "others-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
        points = "".join(f"{name} = their_runtimes:{kind}\n" for name, kind in names.items())
        (folder / "others-1.0.dist-info" / "entry_points.txt").write_text(f"[prunus.runtime]\n{points}")
        (folder / "their_runtimes.py").write_text(source)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        monkeypatch.delitem(sys.modules, "their_runtimes", raising=False)
        for name, fresh in (("_parts", dict(RUNTIMES._parts)), ("_broken", {}), ("_entry_points_loaded", False)):
            monkeypatch.setattr(RUNTIMES, name, fresh)

    return plug


NETWORK = Part(name="mlp", settings={"hidden": [4]})


def bench(folder, *runtimes):
    sizes = {"batch_sizes": (2,), "threads": (1,), "rounds": 30}
    builder = named_model(NETWORK, (1, 8, 8), 10)
    model = build_model(NETWORK, (1, 8, 8), 10)
    return benchmark(
        model, builder, (1, 8, 8), folder=folder, runtimes=runtimes, report=lambda _: lambda *_: None, **sizes
    )


def test_it_is_measured_as_any_other(plugged, tmp_path):
    plugged(RUNTIME, reference="Halves")
    found = bench(tmp_path, "reference")
    assert found.problems == ()
    assert [(row.runtime, row.memory.network_bytes > 0) for row in found.rows] == [("reference", True)]
    halves = {file.format: file for file in found.files}["halves"]
    assert [file.name for file in files_of(halves.path)] == ["1", "2"]
    assert halves.size_bytes == (tmp_path / "model.onnx").stat().st_size
    with Stopwatch(
        build_model(NETWORK, (1, 8, 8), 10),
        torch.zeros(2, 1, 8, 8),
        Place(runtime="reference", batch_size=2, threads=1),
    ) as watch:
        assert watch.time(build_model(NETWORK, (1, 8, 8), 10)).p50_ms > 0


def test_a_study_writes_its_files_and_measures_them(plugged, run, tmp_path):
    plugged(RUNTIME, reference="Halves")
    measured = 'select = "first"\nruntimes = ["reference"]\nmemory = false\nbatch_sizes = [2]\nrounds = 30'
    run(('select = "none"', measured), ONE_SEED, ONE_RECIPE, ("epochs = 5", "epochs = 1"))
    rows = read_study(tmp_path / "out")
    assert rows.problems == ()
    assert {row.format for row in rows.files} == {"safetensors", "onnx", "halves"}
    assert {row.runtime for row in rows.latencies} == {"reference"}
    folder, trial = StudyFolder(tmp_path / "out"), rows.trials[0].trial
    assert {path.name for path in folder.other_formats(trial)} == {"model.onnx", "model.halves"}
    (folder.network(trial, "halves") / "2").write_bytes(b"")
    assert "(halves)" in read_study(tmp_path / "out").problems[0].message
    more = rows.study.measurement.model_copy(update={"runtimes": ("reference", "torch")})
    with Store(tmp_path / "out") as store:
        waiting = missing_blocks(rows.study.model_copy(update={"measurement": more}), [trial], store)
    assert ("files", ("reference", "torch")) in [(block.kind, block.runtimes) for block in waiting]


def test_broken_ones_harm_no_other_and_are_named(plugged, tmp_path, capsys):
    plugged(BROKEN, old="Old", formless="Formless", unsure="Unsure", failing="Failing", loading="Loading")
    assert [name for name in RUNTIMES if name not in ("torch", "onnxruntime", "prunus", "openvino")] == [
        "unsure", "failing", "loading",
    ]  # fmt: skip
    assert "Old has no write" in str(RUNTIMES.broken()["old"])
    assert "Formless has no file_format" in str(RUNTIMES.broken()["formless"])
    found = bench(tmp_path, "torch", "unsure", "failing", "loading")
    assert [row.runtime for row in found.rows] == ["torch"]
    told = "\n".join(found.problems)
    for word in ("'unsure' cannot be used here. It is broken: ZeroDivisionError", "'failing' failed. OSError: no room"):
        assert word in told
    assert "'loading' failed. KeyError: 'layer 3'" in told
    with pytest.raises(PrunusError, match="Old has no write"):
        RUNTIMES.get("old")
    findings = {finding.name: finding for finding in examine(tmp_path)}
    assert findings["torch"].found
    assert "ZeroDivisionError" in findings["unsure"].do
    assert "has no write" in findings["old"].detail
    assert not any(findings[name].needed for name in ("old", "unsure"))
