import json

import pytest
import typer
from typer.testing import CliRunner

from prunus.cli.bench import bench
from prunus.cli.doctor import doctor
from prunus.errors import InputError


def run(command, *arguments):
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_bench_tells_data_on_stdout_and_progress_on_stderr():
    result = run(bench, "vgg-digits", "--runtime", "onnxruntime", "--batch", "2", "--rounds", "30", "--json")
    told = json.loads(result.stdout)
    (row,) = told["rows"]
    assert (row["runtime"], row["batch_size"], row["threads"], row["rounds"]) == ("onnxruntime", 2, 1, 30)
    assert 0 < row["p50_ms"] <= row["p95_ms"]
    assert row["memory"]["peak_bytes"] > row["memory"]["baseline_bytes"]
    assert [file["format"] for file in told["files"]] == ["safetensors", "onnx"]
    assert told["machine"]["cores"] >= 1
    assert "measuring onnxruntime, batch 2, threads 1" in result.stderr


def test_bench_shows_a_table():
    shown = run(bench, "vgg-digits", "--runtime", "onnxruntime", "--batch", "1", "--rounds", "30").stdout
    assert "onnxruntime" in shown
    assert "(measured)" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vgg-digits", "--runtime", "onnxruntim"], "Did you mean 'onnxruntime'"),
        (["vgg-digits", "--batch", "0"], "--batch '0' cannot be read"),
        (["vgg-digits", "--threads", "two"], "--threads 'two' cannot be read"),
        (["nothing"], "There is no model 'nothing'"),
    ],
)
def test_bench_refuses_before_it_measures(arguments, message):
    with pytest.raises(InputError, match=message):
        run(bench, *arguments)


def test_doctor_tells_machine_versions_and_findings(tmp_path):
    told = json.loads(run(doctor, "--json", "--folder", str(tmp_path)).stdout)
    assert set(told) == {"machine", "versions", "findings"}
    shown = run(doctor, "--folder", str(tmp_path)).stdout
    assert "onnxruntime" in shown
    assert told["machine"]["cpu"][:8] in shown


def test_doctor_fails_where_a_study_could_not_run():
    assert run(doctor, "--json", "--folder", "/proc/nowhere").exit_code == 5
