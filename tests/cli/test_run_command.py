"""`prunus run` as a user types it: what comes on which stream, exit codes, and one clear sentence for each mistake."""

import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from prunus.cli.main import main
from prunus.store import read_study
from small_study import ONE_RECIPE, ONE_SEED, STUDY, changed
from tiny_files import write_mnist, write_svhn

ONE_TRIAL = changed(ONE_SEED, ONE_RECIPE)


@pytest.fixture
def prunus(tmp_path):
    """Runs the command line in a process of its own."""

    def prunus(*arguments, cwd=tmp_path):
        return subprocess.run(
            [sys.executable, "-m", "prunus", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            timeout=200,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )

    return prunus


@pytest.fixture
def said(monkeypatch, capsys):
    """Runs the command line in this process and gives exit code, standard output and standard error."""

    def said(*arguments):
        monkeypatch.setattr(sys, "argv", ["prunus", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return end.value.code, captured.out, captured.err

    return said


def write(path, text):
    path.write_text(text)
    return path


def test_data_goes_to_standard_output_and_progress_to_standard_error(prunus, tmp_path):
    done = prunus("run", write(tmp_path / "small.toml", changed(ONE_RECIPE)), "--seeds", "1")
    assert done.returncode == 0
    assert done.stdout == "studies/small/report.html\n"
    assert "[2/2]" in done.stderr
    assert (tmp_path / "studies/small/report.html").stat().st_size > 10_000
    assert {row.seed for row in read_study(tmp_path / "studies/small").trials} == {1}
    again = prunus("run", "studies/small")
    assert (again.returncode, again.stdout) == (0, done.stdout)
    shown = prunus("show", "studies/small", "--json")
    assert json.loads(shown.stdout)


def test_a_dry_run_prints_the_trials_as_they_will_be_and_trains_nothing(prunus, tmp_path):
    file = write(tmp_path / "small.toml", ONE_TRIAL)
    dry = prunus("run", file, "--dry-run")
    assert dry.returncode == 0
    assert "2 trials of 5 epochs" in dry.stderr
    assert not (tmp_path / "studies").exists()
    prunus("run", file)
    planned = [line.split()[0] for line in dry.stdout.splitlines()]
    assert planned == [row.trial for row in read_study(tmp_path / "studies/small").trials]


def test_the_measured_networks_are_those_of_the_first_seed(prunus, tmp_path):
    measured = ('select = "none"', 'select = "first"\nbatch_sizes = [2]')
    text = changed(measured, ("epochs = 5", "epochs = 2"), ('"reference-unstructured", "unstructured", ', ""))
    done = prunus("run", write(tmp_path / "small.toml", text))
    assert done.returncode == 0, done.stderr
    rows = read_study(tmp_path / "studies/small")
    assert rows.problems == ()
    first = {row.trial for row in rows.trials if row.seed == 0}
    for runtime in ("torch", "onnxruntime"):
        samples = [row for row in rows.latencies if row.runtime == runtime]
        assert {row.trial for row in samples} == first
        assert len(samples) == 40 * len(first)
        assert {row.trial for row in rows.memories if row.runtime == runtime} == first
    onnx = [row for row in rows.files if row.format == "onnx"]
    assert {row.trial for row in onnx} == first
    assert all(row.deviation < 1e-4 for row in onnx)
    assert all((tmp_path / "studies/small" / row.path).stat().st_size == row.size_bytes for row in rows.files)
    samples = rows.latencies
    again = prunus("run", "studies/small")
    assert "measured" not in again.stderr
    assert read_study(tmp_path / "studies/small").latencies == samples


def test_the_reference_study_on_files_of_its_format(prunus, tmp_path):
    write_svhn(tmp_path / "svhn")
    done = prunus(
        "run", "reference", "--seeds", "0", "--set", "rates=[0.8]", "--set", f"data.folder={tmp_path}/svhn",
        "--set", "training.epochs=1", "--set", 'recipes=["reference-structured"]', "--set", "measurement.select=none",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = read_study(tmp_path / "studies/reference")
    pruned = next(row for row in rows.trials if row.rate == 0.8)
    layers = [row for row in rows.layers if row.trial == pruned.trial]
    assert len(layers) == 11
    assert sum(row.weights for row in layers) == 28_133_056
    assert [row.empty_units for row in layers] == [round(0.8 * row.units) for row in layers]
    assert sum(row.output_row_zero for row in rows.classes if row.trial == pruned.trial) == 8


def test_the_fashion_study_on_files_of_its_format(prunus, tmp_path):
    write_mnist(tmp_path / "fashion")
    done = prunus(
        "run", "fashion", "--seeds", "0", "--set", "rates=[0.5]", "--set", f"data.folder={tmp_path}/fashion",
        "--set", "data.train_limit=20", "--set", "data.test_limit=10",
        "--set", "training.epochs=2", "--set", "measurement.select=none",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(read_study(tmp_path / "studies/fashion").costs) == 6


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "digist"], 2, "Did you mean 'digits'"),
        (["run", "none.toml"], 2, "none.toml cannot be read"),
        (["run", "digits", "--set", "rates=[1.0]"], 2, "'rates.0' is 1.0"),
        (["run", "digits", "--set", "nonsense"], 2, "not key=value"),
        (["run", "digits", "--set", "recipes=['structred']"], 2, "Did you mean 'structured'"),
        (["run", "digits", "--seeds", "a,b"], 2, "seeds"),
        (["run", "digits", "--seeds", "0,0"], 2, "stands in it twice"),
        (["run", "digits", "--out", "/proc/nothing"], 5, "cannot be made"),
        (["run", "."], 4, "There is no study in"),
        (["show", "nowhere"], 4, "There is no study in"),
        (["report", "nowhere"], 4, "There is no study in"),
    ],
)
def test_mistakes_are_one_sentence_and_an_exit_code(said, monkeypatch, tmp_path, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    ended, out, err = said(*arguments)
    assert (ended, out) == (code, "")
    assert err.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in err
    assert message in err


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not whole", "whole[:200]", "object", "missing", "nan"])
def test_bad_data_are_one_sentence(prunus, tmp_path, content):
    arrays = {name: np.zeros((4, 1, 8, 8), "f4") for name in ("x_train", "x_test")}
    arrays |= {name: np.arange(4) % 2 for name in ("y_train", "y_test")}
    if content == "object":
        arrays["x_train"] = np.array([print, None, 1, 2], dtype=object)
    if content == "missing":
        del arrays["y_test"]
    if content == "nan":
        arrays["x_train"][0] = np.nan
    np.savez(tmp_path / "mine.npz", **arrays)
    if content == "whole[:200]":
        (tmp_path / "mine.npz").write_bytes((tmp_path / "mine.npz").read_bytes()[:200])
    if isinstance(content, bytes):
        (tmp_path / "mine.npz").write_bytes(content)
    text = ONE_TRIAL.replace('data = "digits"', 'data = { name = "npz", file = "mine.npz" }')
    done = prunus("run", write(tmp_path / "small.toml", text))
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "mine.npz" in done.stderr


def test_the_code_of_a_study_runs_only_when_allowed(prunus, tmp_path):
    (tmp_path / "net.py").write_text(
        "import pathlib\n"
        "from torch import nn\n"
        "pathlib.Path(__file__).with_name('ran').touch()\n"
        "def build():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Linear(8, 10))\n"
    )
    text = ONE_TRIAL.replace('{ name = "mlp", hidden = [12] }', '"net.py:build"')
    file = write(tmp_path / "small.toml", text)
    refused = prunus("run", file)
    assert refused.returncode == 2
    assert "--run-code" in refused.stderr
    assert not (tmp_path / "ran").exists()
    assert prunus("run", file, "--run-code").returncode == 0
    (tmp_path / "ran").unlink()
    assert prunus("run", "studies/small").returncode == 2
    assert not (tmp_path / "ran").exists()
    named_here = prunus("run", write(tmp_path / "other.toml", ONE_TRIAL), "--set", f"model={tmp_path}/net.py:build")
    assert named_here.returncode == 0, named_here.stderr


def test_failed_trials_end_in_exit_code_3(prunus, tmp_path):
    text = ONE_TRIAL.replace("batch_size = 256", "batch_size = 256\nlearning_rate = 1e30")
    done = prunus("run", write(tmp_path / "small.toml", text))
    assert done.returncode == 3
    assert "2 of 2 trials failed" in done.stderr
    assert "diverged" in done.stderr
    assert (tmp_path / "studies/small/report.html").exists()


def test_a_full_disk_is_one_sentence_and_nothing_stored_is_lost(prunus, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        file = write(tmp_path / "small.toml", STUDY)
        done = prunus("run", file, "--out", disk / "out")
        assert done.returncode == 5, done.stderr
        assert "is full" in done.stderr
        assert "Traceback" not in done.stderr
        before = [row for row in read_study(disk / "out").trials if row.status == "finished"]
        assert all(row.status != "failed" for row in read_study(disk / "out").trials)
        subprocess.run(["mount", "-o", "remount,size=50m", disk], check=True)
        assert prunus("run", file, "--out", disk / "out").returncode == 0
        after = {row.trial: row for row in read_study(disk / "out").trials}
        assert all(row.status == "finished" for row in after.values())
        assert all(after[row.trial] == row for row in before)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_help_comes_in_less_than_three_tenths_of_a_second(prunus):
    def processor_seconds():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert prunus("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(processor_seconds() for _ in range(5)) < 0.3


def test_debug_shows_where_an_error_comes_from(prunus):
    assert "Traceback" in prunus("run", "digist", "--debug").stderr
