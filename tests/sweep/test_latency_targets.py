"""A study whose recipe is to come to a latency: measured once, stored, not measured again."""

import json

import pytest
import torch

from prunus.errors import InputError, StoreError
from prunus.measure.stopwatch import Place, Stopwatch, Timed
from prunus.models import build_model
from prunus.report.achieved import targets_info
from prunus.report.findings import Findings
from prunus.spec import Part, load_study
from prunus.store import read_study
from prunus.sweep.latency_targets import LatencyTargets
from prunus.sweep.loaded import Loaded
from prunus.sweep.run import run_study
from prunus.train import Found

STUDY = """
data = "digits"
model = { name = "mlp", hidden = [512, 512] }
rates = [0.5]
seeds = [0]
recipes = ["fast", "quarter"]

[controls]
dense = false
recipes = ["fast"]

[recipe.fast]
pattern = "channel"
schedule = "at_init"
allocation = { name = "uniform", latency_ms = 0.01, runtime = "onnxruntime", batch_size = 64 }

[recipe.quarter]
pattern = "element"
schedule = "at_init"
allocation = { name = "global", macs = 0.25 }

[training]
epochs = 1
batch_size = 512

[measurement]
runtimes = ["onnxruntime"]
batch_sizes = [64]
rounds = 30
memory = false
"""


def study(tmp_path, *overrides):
    path = tmp_path / "fast.toml"
    path.write_text(STUDY)
    return load_study(path, overrides)


def searches(events):
    return [event for event in events if "ms at a rate of" in getattr(event, "text", "")]


def test_the_rate_is_found_once_and_the_report_says_asked_and_achieved(tmp_path):
    told, again, out = [], [], tmp_path / "out"
    network = build_model(Part(name="mlp", settings={"hidden": [512, 512]}), (1, 8, 8), 10)
    with Stopwatch(network, torch.zeros(2, 1, 8, 8), Place(runtime="onnxruntime", batch_size=64, threads=1)) as watch:
        half = watch.time(network).p50_ms / 2
    asked = study(tmp_path, f"recipe.fast.allocation.latency_ms={half}")
    outcome = run_study(asked, out, observe=told.append)
    assert (outcome.trials, outcome.finished) == (4, 4)
    assert searches(told)
    rows = read_study(out)
    (kept,) = json.loads((out / "latency_targets.json").read_text()).values()
    settings = {one.name: one.allocation.settings for one in rows.study.recipes}
    assert settings["fast"]["found_rate"] == kept["rate"]
    targets = {one.recipe: one for one in targets_info(Findings(rows))}
    assert targets["quarter"].achieved == pytest.approx(0.25, rel=0.01)
    assert (targets["quarter"].how, targets["quarter"].missed) == ("computed", False)
    assert targets["fast"].asked == half
    assert targets["fast"].achieved > 0
    assert "onnxruntime, batch 64, 1 thread" in targets["fast"].how
    assert targets["fast-random"].achieved is None  # it costs what its recipe does, and is not timed
    assert run_study(asked, out, observe=again.append).finished == 4  # with another rate it would be refused
    assert not searches(again)


def test_what_was_found_on_another_day_is_taken(tmp_path):
    found = Found(
        rate=0.5,
        asked_ms=0.01,
        timed=Timed(p50_ms=0.01, p95_ms=0.02, unpruned_p50_ms=0.1, rounds=100),
        place=Place(runtime="onnxruntime", batch_size=64, threads=1),
        machine="another",
        tried=3,
    )

    class Everything(dict):
        def __contains__(self, key):
            return True

        def __missing__(self, key):
            return found

    loaded = Loaded.of(study(tmp_path), LatencyTargets(found=Everything()))
    rates = {trial.recipe.allocation.settings.get("found_rate") for trial in loaded.trials.values() if trial.recipe}
    assert rates == {0.5, None}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("measurement.batch_sizes=[1]", "a latency that the study does not measure.*onnxruntime, batch 64"),
        ('measurement.select="none"', "a latency that the study does not measure"),
        ('recipe.fast.allocation.runtime="tflite"', "There is no runtime 'tflite'.*onnxruntime"),
        ("recipe.fast.allocation.latency_ms=1e-9", "cannot be reached.*nearest is"),
        ("recipe.fast.allocation.latency_ms=1e9", "needs no pruning"),
    ],
)
def test_what_cannot_be_is_refused_before_any_training(tmp_path, override, message):
    with pytest.raises(InputError, match=f"(?s){message}"):
        Loaded.of(study(tmp_path, override))


def test_a_damaged_file_is_one_error(tmp_path):
    path = tmp_path / "latency_targets.json"
    path.write_text('{"a": {"rate": "much"}}')
    with pytest.raises(StoreError, match=r"latency_targets\.json cannot be used"):
        LatencyTargets(path)
