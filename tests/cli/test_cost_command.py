import io
import json
import subprocess
import sys

import pytest
import torch
import typer
from rich.console import Console
from typer.testing import CliRunner

from prunus.cli.cost import _print_layers, cost
from prunus.cost import LayerCost
from prunus.errors import InputError
from prunus.export import write_safetensors
from prunus.models import build_model
from prunus.spec import Part

LAYERS = (
    LayerCost("classifier.0", "linear", 102_760_448, 102_760_448, 4096, 0, 102_760_448, 51_380_224, 105_226_698_752,
              52_613_349_376, 0, 0),
)  # fmt: skip


def run(*arguments):
    app = typer.Typer()
    app.command()(cost)
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_totals_by_hand():
    shown = run("vgg-digits").stdout
    macs = 64 * 9 * 32 + 16 * 9 * 32 * 32 + 4 * 9 * 32 * 64 + 256 * 64 + 64 * 10
    assert f"{macs:,}" in shown
    assert f"{macs * 1024:,}" in shown
    assert "1x8x8" in shown
    assert "features.0" not in shown


def test_json_holds_everything():
    told = json.loads(run("vgg-digits", "--json", "--weight-bits", "8", "--activation-bits", "4").stdout)
    assert told["input_shape"] == [1, 8, 8]
    assert told["dense_bops"] == told["dense_macs"] * 32
    assert [layer["kind"] for layer in told["layers"]] == ["conv2d"] * 3 + ["linear"] * 2
    assert told["not_counted"] == {}


def test_layers_and_another_input():
    shown = run("vgg-digits", "--layers", "--input", "3x16x16").stdout
    assert "features.0" in shown
    assert "3x16x16" in shown


def test_weights_of_a_file(tmp_path):
    model = build_model(Part(name="vgg-digits"), (1, 8, 8), 10)
    with torch.no_grad():
        model.features[0].weight[1:] = 0
    path = write_safetensors(model, tmp_path / "pruned.safetensors").path
    told = json.loads(run("vgg-digits", "--json", "--weights", str(path)).stdout)
    assert told["layers"][0]["empty_units"] == 31
    assert told["dense_macs"] - told["effective_macs"] == 31 * 9 * 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vgg-digit"], "Did you mean 'vgg-digits'"),
        (["vgg-digits", "--input", "1,a"], "--input '1,a' cannot be read"),
        (["vgg-digits", "--input", "1,-8,8"], "cannot be read"),
        (["vgg-digits", "--input", "1,2,2"], "1x2x2"),
        (["vgg-digits", "--weights", "nowhere"], "nowhere cannot be read"),
    ],
)
def test_bad_input_is_one_clear_error(arguments, message):
    with pytest.raises(InputError, match=message):
        run(*arguments)


def test_hostile_names_stay_text(tmp_path):
    (tmp_path / "own.py").write_text(
        "import torch\n"
        "class Evil(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.add_module('[red]x[/red]\\x1b[2J', torch.nn.Linear(4, 3))\n"
        "    def forward(self, x):\n"
        "        return next(self.children())(x)\n"
        "def make(input_shape, classes):\n"
        "    return Evil()\n"
    )
    shown = run(f"{tmp_path / 'own.py'}:make", "--layers", "--input", "4").stdout
    assert "\x1b[2J" not in shown
    assert "[red]x[/red]\\x1b[2J" in shown


def test_the_command_files_import_nothing_heavy():
    command = "import prunus.cli.cost, prunus.cli.bench, prunus.cli.doctor, sys; print({*sys.modules} & {*%r})"
    command %= (("torch", "numpy", "rich.table", "pydantic"),)
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_no_number_is_cut_off_in_a_narrow_terminal():
    console = Console(width=80, force_terminal=True, record=True, file=io.StringIO())
    _print_layers(console, LAYERS)
    shown = console.export_text()
    assert "…" not in shown
    assert "103 M" in shown


def test_a_reader_that_is_no_terminal_gets_every_digit():
    console = Console(width=80, force_terminal=False, record=True, file=io.StringIO())
    _print_layers(console, LAYERS)
    assert "102,760,448" in console.export_text()


def test_settings_and_classes_are_the_networks_own():
    told = json.loads(run("vgg-digits", "--set", "width=16", "--classes", "3", "--json").stdout)
    assert [layer["units"] for layer in told["layers"]] == [16, 16, 32, 32, 3]
    with pytest.raises(InputError, match="Did you mean 'width'"):
        run("vgg-digits", "--set", "widht=16")


def test_fresh_weights_are_the_same_at_every_call():
    assert run("mlp", "--json").stdout == run("mlp", "--json").stdout
