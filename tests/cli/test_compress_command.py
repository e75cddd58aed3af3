import tomllib
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from prunus.cli.compress import compress
from prunus.errors import InputError
from prunus.models import build_model
from prunus.spec import Part

NETWORK = """
from torch import nn

def build(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, classes))
"""


def run(*arguments):
    app = typer.Typer()
    app.command()(compress)
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def network(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NETWORK)
    torch.manual_seed(0)
    model = build_model(Part(name="net.py:build"), (1, 8, 8), 10)
    torch.save(model.state_dict(), "trained.pt")
    return "net.py:build"


def test_a_network_of_a_file_to_its_files_and_again_from_the_settings(network):
    arguments = ("--weights", "trained.pt", "--data", "digits", "--target", "macs=0.5", "--budget", "2s")
    shown = run(network, *arguments, "--out", "small")
    assert "of the latency at batch 1" in shown.stdout
    assert "min" in shown.stderr or " s left" in shown.stderr
    assert Path("small/model.onnx").exists()
    with pytest.raises(InputError, match=r"runs code: .*net\.py:build.*--run-code"):
        run("small/compress.toml")
    with pytest.raises(InputError, match=r"--keep, --batch cannot be given beside a file of settings"):
        run("small/compress.toml", "--run-code", "--keep", "3", "--batch", "1")
    again = run("small/compress.toml", "--run-code", "--budget", "3s")
    assert "of the latency at batch 1" in again.stdout
    assert tomllib.loads(Path("small/compress.toml").read_text())["budget_seconds"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "digits", "--out", "small"), "--weights must be given"),
        (("--weights", "trained.pt", "--out", "small"), "--data must be given"),
        (("--weights", "trained.pt", "--data", "digits"), "--out must be given"),
        (("--weights", "gone.pt", "--data", "digits", "--out", "small"), "There is no file"),
        (
            ("--weights", "trained.pt", "--data", "digits", "--out", "small", "--training", "epoch=2"),
            "--training epoch",
        ),
    ],
)
def test_what_is_missing_is_said(network, arguments, message):
    with pytest.raises(InputError, match=message):
        run(network, *arguments)


def test_weights_of_another_network_are_refused_before_anything_is_done(network):
    with pytest.raises(InputError, match=r"trained\.pt do not fit the network"):
        run("mlp", "--set", "hidden=[8]", "--weights", "trained.pt", "--data", "digits", "--out", "small")
    assert not Path("small").exists()


def test_settings_with_an_unknown_key_name_it(tmp_path):
    (tmp_path / "compress.toml").write_text("keeps = 1.0\n")
    with pytest.raises(InputError, match=r"holds no settings of a compression.*Did you mean 'keep'"):
        run(str(tmp_path / "compress.toml"))
