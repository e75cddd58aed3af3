"""Sensitivity of a small trained network, against pruning by hand, and on the command line."""

import csv
import json
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
import torchmetrics
from torch import nn
from torch.nn.utils import prune as torch_prune

from prunus.cli.sensitivity import sensitivity
from prunus.data import Dataset, Split, load_data
from prunus.errors import InputError
from prunus.export import write_safetensors
from prunus.models import build_model
from prunus.prune.criteria import CRITERIA
from prunus.prune.criteria.scoring import gathers_while_training
from prunus.report.drawing import styled
from prunus.report.sensitivity import draw
from prunus.sensitivity.measuring import measure_sensitivity
from prunus.sensitivity.suggestion import suggest
from prunus.spec import Metric, Part, load_study, make
from prunus.sweep.loaded import Loaded
from prunus.tasks import Task

AT_ONCE = [name for name in CRITERIA if not gathers_while_training(make(CRITERIA, Part(name=name)))]
MODEL = Part(name="vgg", settings={"plan": [8, "M", 16, "M"], "linear": [24], "batch_norm": True})


@pytest.fixture(scope="module")
def digits():
    return load_data(Part(name="digits"))


@pytest.fixture(scope="module")
def trained(digits):
    torch.manual_seed(0)
    model = build_model(MODEL, digits.input_shape, len(digits.classes))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    inputs = digits.prepare(digits.train.inputs)
    for _ in range(3):
        for batch, targets in zip(inputs.split(64), digits.train.targets.split(64), strict=True):
            optimizer.zero_grad()
            F.cross_entropy(model(batch), targets).backward()
            optimizer.step()
    return model.eval()


def test_one_layer_at_a_time_as_by_hand(trained, digits):
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    found = measure_sensitivity(trained, digits, rates=(0.9, 0.5), inputs=10_000)
    assert found.rates == (0.5, 0.9)
    assert found.inputs == len(digits.train)
    assert [curve.name for curve in found.curves] == ["features.0", "features.4", "classifier.0"]
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())

    weight = trained.get_submodule("features.4").weight
    torch_prune.l1_unstructured(trained.get_submodule("features.4"), "weight", amount=round(0.9 * weight.numel()))
    outputs = trained(digits.prepare(digits.train.inputs)).argmax(1)
    torch_prune.remove(trained.get_submodule("features.4"), "weight")
    trained.load_state_dict(before)
    expected = float((outputs == digits.train.targets).double().mean())
    assert found.curves[1].values[1] == pytest.approx(expected, abs=2 / len(digits.train))
    assert found.curves[1].values[1] < found.unpruned


@pytest.mark.parametrize("criterion", AT_ONCE)
def test_every_criterion_can_rank_the_channels_of_a_group(trained, digits, criterion):
    protect = ("output", "classifier.0") if criterion == "bn_scale" else ("output",)
    found = measure_sensitivity(
        trained, digits, rates=(0.5,), pattern="channel", criterion=criterion, inputs=100, protect=protect
    )
    assert [curve.units for curve in found.curves] == [8, 16, 24][: len(found.curves)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"criterion": "movement"}, "gathers while a network trains"),
        ({"criterion": "apoz", "pattern": "channel"}, "gathers while a network trains"),
        ({"criterion": "magnitud"}, "Did you mean 'magnitude'"),
        ({"rates": (0.5, 1.0)}, r"give 0 < rate < 1|Give 0 < rate < 1"),
        ({"rates": (0.5, float("nan"))}, "Give 0 < rate < 1"),
        ({"rates": ("a",)}, "Give 0 < rate < 1"),
        ({"inputs": 0}, "Give 1 or more"),
        ({"protect": ("ouput",)}, "did you mean 'output'|Did you mean 'output'"),
        ({"pattern": Part(name="nm", settings={"m": 5})}, "cannot be pruned in groups of 5"),
    ],
)
def test_what_cannot_be_measured(trained, digits, settings, message):
    with pytest.raises(InputError, match=message):
        measure_sensitivity(trained, digits, **settings)


def test_a_network_that_guesses_has_no_sensitivity(digits):
    torch.manual_seed(0)
    guessing = build_model(MODEL, digits.input_shape, 10)
    nn.init.zeros_(guessing.get_submodule("classifier.2").weight)
    with pytest.raises(InputError, match="no better than guessing"):
        measure_sensitivity(guessing, digits)


def test_the_figure_goes_through_the_accuracies_and_marks_the_suggestion(trained, digits):
    found = measure_sensitivity(trained, digits, rates=(0.5, 0.9), inputs=200)
    suggestion = suggest(found, 0.7)
    with styled():
        panels = draw(found, suggestion).figure.axes
    shown = [axes for axes in panels if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == [curve.name for curve in found.curves]
    for axes, curve in zip(shown, found.curves, strict=True):
        line = next(line for line in axes.lines if line.get_gid())
        assert list(line.get_xdata()) == [0, 0.5, 0.9]
        assert list(line.get_ydata()) == pytest.approx([100 * a for a in (found.unpruned, *curve.values)])
        assert axes.lines[-1].get_xdata()[0] == pytest.approx(suggestion.rates[curve.name])


class SquaredError(Task):
    """One output a sample, which is to be a number."""

    metric: ClassVar[Metric] = Metric(name="MSE", unit="", higher_is_better=False)

    def loss(self, outputs, targets):
        return F.mse_loss(outputs[:, 0], targets)

    def measures(self, dataset):
        return {"MSE": torchmetrics.MeanSquaredError()}

    def measured(self, outputs, targets):
        return outputs[:, 0], targets


@pytest.fixture(scope="module")
def sums():
    inputs = torch.rand(200, 6, generator=torch.Generator().manual_seed(0))
    split = Split(inputs, inputs.sum(1))
    return Dataset("sums", split, split, ("sum",))


def adding(hidden_bias=0.0):
    """A network that adds its inputs up: one hidden unit does, the others copy an input each and count for little."""
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.cat([torch.full((1, 6), 0.95), torch.eye(6)[:3]]))
        model[0].bias.fill_(hidden_bias)
        model[2].weight.copy_(torch.tensor([[1.0, 0.1, 0.1, 0.1]]))
        model[2].bias.zero_()
    return model


def test_another_task_is_measured_by_its_metric_and_drawn_in_it(sums):
    model = adding()
    found = measure_sensitivity(model, sums, rates=(0.5, 0.75, 0.9), inputs=100, task=SquaredError())
    (curve,) = found.curves
    assert found.metric.name == "MSE"
    assert found.unpruned == curve.values[0] < curve.values[1] < curve.values[2]  # zeros go first; lower is better
    suggestion = suggest(found, 0.7)
    assert suggestion.drop is not None
    assert found.highest_rate(curve, found.unpruned + suggestion.drop) == pytest.approx(0.7)
    with styled():
        figure = draw(found, suggestion).figure
    assert figure.get_supylabel() == "MSE on training inputs"
    assert figure.axes[0].get_ylim()[1] > max(curve.values)


def test_a_network_without_a_finite_metric_has_no_sensitivity(sums):
    with pytest.raises(InputError, match="The MSE of the network is no finite number"):
        measure_sensitivity(adding(float("nan")), sums, task=SquaredError())


def run(*arguments):
    import typer
    from typer.testing import CliRunner

    app = typer.Typer()
    app.command()(sensitivity)
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "160"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def command(trained, tmp_path):
    write_safetensors(trained, tmp_path / "trained.safetensors")
    settings = ["plan=[8, 'M', 16, 'M']", "linear=[24]", "batch_norm=true"]
    return ["vgg", "--data", "digits", "--weights", str(tmp_path / "trained.safetensors"),
            *(word for setting in settings for word in ("--set", setting)),
            "--rates", "0.5,0.9", "--rate", "0.7", "--out", str(tmp_path / "out")]  # fmt: skip


def test_the_command_writes_a_figure_a_table_and_a_recipe_that_a_study_takes(command, tmp_path):
    shown = run(*command, "--protect", "output", "--protect", "classifier.0").stdout
    assert "features.4" in shown
    assert "[recipe.by-sensitivity.allocation.rates]" in shown
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        "sensitivity.svg", "sensitivity.png", "sensitivity.csv", "sensitivity.json", "suggestion.toml",
    }  # fmt: skip
    told = json.loads((out / "sensitivity.json").read_text())
    rows = list(csv.DictReader((out / "sensitivity.csv").read_text().splitlines()))
    assert [row["layer"] for row in rows] == ["features.0"] * 3 + ["features.4"] * 3
    assert float(rows[1]["accuracy (measured)"]) == told["curves"][0]["accuracies"][0]

    study = tmp_path / "study.toml"
    settings = 'data = "digits"\nrates = [0.7]\ncontrols = false\nmodel = ' + (
        '{ name = "vgg", plan = [8, "M", 16, "M"], linear = [24], batch_norm = true }\n'
    )
    study.write_text(settings + (out / "suggestion.toml").read_text())
    loaded = Loaded.of(load_study(study))
    recipe = loaded.study.recipes[0]
    assert recipe.allocation.settings["rates"] == pytest.approx(told["suggestion"]["rates"], abs=1e-4)
    assert loaded.scopes[recipe].protected == {"classifier.0", "classifier.2"}


def test_the_command_as_json(command):
    told = json.loads(run(*command, "--json").stdout)
    assert told["suggestion"]["rate"] == 0.7
    assert len(told["curves"]) == 3


def test_rates_that_cannot_be_read(command):
    with pytest.raises(InputError, match="--rates 'half' cannot be read"):
        run(*command, "--rates", "half")


def test_a_rate_that_cannot_be_suggested_is_told_before_anything_is_measured(command, monkeypatch):
    monkeypatch.setattr("prunus.cli.sensitivity.named_data", None)
    with pytest.raises(InputError, match=r"rate 0\.95 cannot be suggested.*up to 0\.9.*0\.9 or less"):
        run(*command, "--rate", "0.95")
