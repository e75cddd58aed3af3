import json
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

import prunus
from prunus.channels import Plan
from prunus.cli.inspect import inspect
from prunus.cli.prune import prune
from prunus.errors import InputError
from prunus.measure.stopwatch import Place, Stopwatch
from prunus.models import build_model
from prunus.spec import Part


def run(command, *arguments):
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_inspect_lists_groups_and_reasons():
    shown = run(inspect, "vgg-digits").stdout
    assert "model output" in shown
    assert "4 of 5 groups can be pruned" in shown


def test_inspect_as_json():
    groups = json.loads(run(inspect, "vgg-digits", "--json").stdout)
    assert [group["units"] for group in groups] == [32, 32, 64, 64, 10]
    assert groups[-1]["protected"] == "model output"


def test_prune_writes_a_model_that_loads_and_a_plan_that_fits(tmp_path: Path):
    shown = run(prune, "vgg-digits", "--rate", "0.5", "--out", str(tmp_path), "--onnx")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["channels"] == {"before": 202, "after": 106}
    assert f"{report['macs']['before']:,}" in shown.stdout
    plan = Plan.model_validate_json((tmp_path / "plan.json").read_text())
    assert len(plan.removed) == 4
    model = prunus.load(tmp_path / "small.safetensors", lambda: build_model(Part(name="vgg-digits"), (1, 8, 8), 10))
    assert model(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
    assert (tmp_path / "small.onnx").stat().st_size > 0


def test_prune_with_a_criterion_that_looks_at_data(tmp_path: Path):
    arguments = ("vgg-digits", "--rate", "0.5", "--criterion", "wanda", "--out", str(tmp_path))
    with pytest.raises(InputError, match=r"cannot score without data.*--data"):
        run(prune, *arguments)
    run(prune, *arguments, "--data", "digits")
    assert json.loads((tmp_path / "report.json").read_text())["channels"] == {"before": 202, "after": 106}


@pytest.mark.parametrize(("kind", "amount"), [("macs", "0.25"), ("params", "0.5")])
def test_prune_to_a_target(tmp_path: Path, kind: str, amount: str):
    shown = run(prune, "vgg-digits", "--target", f"{kind}={amount}", "--out", str(tmp_path))
    target = json.loads((tmp_path / "report.json").read_text())["target"]
    assert target["achieved"] == pytest.approx(float(amount), rel=0.01)
    assert f"asked for {kind} = {amount}, achieved" in shown.stdout


def test_prune_to_a_latency(tmp_path: Path):
    model = build_model(Part(name="vgg-digits"), (1, 8, 8), 10)
    with Stopwatch(model, torch.zeros(2, 1, 8, 8), Place(runtime="onnxruntime", batch_size=64, threads=1)) as watch:
        half = watch.time(model).p50_ms / 2
    target = ("--target", f"latency_ms={half}", "--runtime", "onnxruntime", "--batch", "64")
    run(prune, "vgg-digits", *target, "--out", str(tmp_path))
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["target"]["asked"] == half
    assert "onnxruntime, batch 64, 1 thread" in report["target"]["how"]
    assert report["macs"]["after"] < report["macs"]["before"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Nothing says how much is to go.*--rate or --target"),
        (("--rate", "0.5", "--target", "macs=0.5"), "Both a rate and a target"),
        (("--target", "mac=0.5"), "no target 'mac'. Did you mean 'macs'"),
        (("--target", "macs=half"), "'macs=half' cannot be read"),
        (("--target", "macs=1e-6"), "macs = 1e-06 cannot be reached.*nearest"),
        (("--target", "latency_ms=1e-6"), "latency_ms = 1e-06 cannot be reached.*nearest"),
        (
            ("--target", "latency_ms=3", "--runtime", "onxruntime"),
            "no runtime 'onxruntime'. Did you mean 'onnxruntime'",
        ),
        (("--rate", "0.5", "--runtime", "torch"), "Nothing is measured"),
        (("--rate", "0.5", "--criterion", "magnitud"), "no criterion 'magnitud'. Did you mean 'magnitude'"),
        (("--rate", "0.5", "--allocation", "unifrm"), "no allocation 'unifrm'. Did you mean 'uniform'"),
    ],
)
def test_prune_refuses_in_one_sentence(tmp_path: Path, arguments: tuple[str, ...], message: str):
    with pytest.raises(InputError, match=f"(?s){message}"):
        run(prune, "vgg-digits", "--out", str(tmp_path / "out"), *arguments)
    assert not (tmp_path / "out").exists()


def test_prune_refuses_a_rate_that_leaves_nothing(tmp_path: Path):
    with pytest.raises(InputError, match="0 <= rate < 1"):
        run(prune, "vgg-digits", "--rate", "1", "--out", str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_prune_names_a_folder_it_cannot_write(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Nothing can be written"):
        run(prune, "vgg-digits", "--rate", "0.5", "--out", str(tmp_path / "file"))
