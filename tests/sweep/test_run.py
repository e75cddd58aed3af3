"""Studies in this process: what a run leaves in the store."""

import json
import math

import pytest

from prunus.errors import InputError, StoreError
from prunus.spec import load_study
from prunus.store import read_study
from prunus.sweep.events import EpochDone, StudyStarted, TrialEnded
from small_study import ONE_RECIPE, ONE_SEED, STUDY, rows_without_times, sessions

BROKEN_MODEL = """
import asyncio, os, signal, torch
from torch import nn
from prunus.train import derive

class Unreadable(Exception):
    def __str__(self):
        raise SystemExit(7)

class Net(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.first, self.last = nn.Linear(64, 8), nn.Linear(8, 10)
    def forward(self, x):
        if self.training and self.kind == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.training and self.kind == "raise":
            raise RuntimeError("[red]no <b>luck</b>[/red]")
        if self.training and self.kind == "leave":
            raise SystemExit(7)
        if self.training and self.kind == "cancel":
            raise asyncio.CancelledError
        if self.training and self.kind == "unreadable":
            raise Unreadable
        x = self.last(torch.relu(self.first(x.flatten(1))))
        return x * float("nan") if self.training and self.kind == "nan" else x

def build(kinds):
    by_seed = {derive(seed, "build"): kind for seed, kind in enumerate(kinds)}
    return Net(by_seed[torch.initial_seed()])
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The small study, run once without a disturbance."""
    from prunus.sweep.run import Options, run_study

    folder = tmp_path_factory.mktemp("finished")
    (folder / "small.toml").write_text(STUDY)
    events = []
    outcome = run_study(load_study(folder / "small.toml"), folder / "out", Options(command="prunus run"), events.append)
    return folder / "out", outcome, events


def test_a_study_of_the_unpruned_network_alone(tmp_path):
    from prunus.sweep.run import run_study

    (tmp_path / "small.toml").write_text(STUDY)
    outcome = run_study(load_study(tmp_path / "small.toml", ["rates=[0]", "seeds=[0]", "training.epochs=1"]), tmp_path)
    assert (outcome.trials, outcome.finished) == (1, 1)
    assert [trial.rate for trial in read_study(tmp_path).trials] == [0.0]


def test_every_trial_is_there_with_all_its_rows(finished):
    folder, outcome, _ = finished
    rows = read_study(folder)
    assert (outcome.trials, outcome.finished, outcome.failed, outcome.signal) == (8, 8, 0, None)
    assert [trial.status for trial in rows.trials] == ["finished"] * 8
    assert len(rows.epochs) == 8 * 5
    assert len(rows.costs) == 8
    assert len(rows.layers) == 8 * 2
    assert len(rows.classes) == 8 * 10
    assert all(sum(c.test_count for c in rows.classes if c.trial == t.trial) == 360 for t in rows.trials)
    assert rows.sessions[0].outcome == "finished"
    assert rows.problems == ()


def test_what_is_reported_was_achieved(finished):
    rows = read_study(finished[0])
    costs = {row.trial: row for row in rows.costs}
    by_recipe = {(row.recipe, row.seed): costs[row.trial] for row in rows.trials}
    whole = 64 * 12 + 12 * 10
    unpruned, reference = by_recipe[None, 0], by_recipe["reference-unstructured", 0]
    assert (unpruned.dense_macs, unpruned.effective_macs) == (whole, whole)
    assert (reference.dense_macs, reference.effective_macs) == (whole, whole // 2)
    assert by_recipe["unstructured", 0].nonzero_weights == 64 * 6 + 120
    shrunk = by_recipe["structured", 0]
    assert shrunk.shrunk
    assert shrunk.shrink_deviation < 1e-5
    assert shrunk.parameters == 64 * 6 + 6 + 6 * 10 + 10
    assert shrunk.dense_bops == (64 * 6 + 60) * 32 * 32


def test_all_recipes_of_a_seed_start_alike(finished):
    epochs = {(row.trial, row.epoch): row for row in read_study(finished[0]).epochs}
    trials = read_study(finished[0]).trials
    for seed in (0, 1):
        first = {epochs[row.trial, 1].train_loss for row in trials if row.seed == seed}
        assert len(first) == 1  # no recipe has pruned before the first epoch ends


def test_the_resolved_study_is_kept_with_all_defaults(finished):
    study = json.loads(sessions(finished[0])[0].study)
    recipe = next(one for one in study["recipes"] if one["name"] == "unstructured")
    assert recipe["schedule"] == {"name": "cubic", "begin": 0.1, "end": 0.6}
    assert study["training"]["optimizer"]["betas"] == [0.9, 0.999]


def test_events_tell_the_story_in_order(finished):
    events = finished[2]
    assert len([event for event in events if isinstance(event, EpochDone)]) == 40
    assert len([event for event in events if isinstance(event, TrialEnded)]) == 8
    started = next(event for event in events if isinstance(event, StudyStarted))
    assert (len(started.trials), started.ended) == (8, 0)


def test_the_same_command_again_runs_nothing_again(finished, run):
    folder, _, _ = finished
    before = rows_without_times(folder)
    events = []
    outcome = run(folder=folder, observe=events.append)
    assert outcome.finished == 8
    assert not [event for event in events if isinstance(event, EpochDone)]
    assert rows_without_times(folder) == before
    assert len(sessions(folder)) == 2


@pytest.mark.timeout(120)
def test_a_trial_may_compute_on_threads(run):
    wide = ("hidden = [12]", "hidden = [512]")  # a batch of its activations is worth sharing among threads
    brief = ("epochs = 5\nbatch_size = 256", "epochs = 1\nbatch_size = 256\nthreads = 2")
    assert run(wide, brief, ("seeds = [0, 1]", "seeds = [0]")).finished == 4


def test_two_workers_or_one_find_the_same_bits(finished, run, tmp_path):
    run(workers=1)
    assert rows_without_times(tmp_path / "out") == rows_without_times(finished[0])


def test_a_changed_study_says_what_changed_and_is_refused(finished, run):
    folder, _, _ = finished
    before = rows_without_times(folder)
    with pytest.raises(StoreError, match=r"training\.epochs 5 -> 6.*--allow-changes"):
        run(("epochs = 5", "epochs = 6"), folder=folder)
    assert rows_without_times(folder) == before


def test_another_way_of_running_is_no_change(finished, run):
    assert run(("checkpoint_seconds = 0", "checkpoint_seconds = 5"), folder=finished[0]).finished == 8


def test_allowed_changes_keep_what_still_fits(run, tmp_path):
    run(("seeds = [0, 1]", "seeds = [0]"))
    events = []
    changed = (
        ("seeds = [0, 1]", "seeds = [0, 1]"),
        ('["reference-unstructured", "unstructured", "structured"]', '["unstructured"]'),
    )
    run(*changed, allow_changes=True, observe=events.append)
    rows = read_study(tmp_path / "out")
    assert len(rows.trials) == 4
    assert {event.row.trial for event in events if isinstance(event, EpochDone)} == {
        row.trial for row in rows.trials if row.seed == 1
    }
    assert {row.trial for row in rows.costs} == {row.trial for row in rows.trials}


ENDS = {
    "fine": None,
    "raise": "RuntimeError",
    "nan": "NotFiniteError",
    "crash": "SIGSEGV",
    "leave": "SystemExit",
    "cancel": "CancelledError",
    "unreadable": "Unreadable",
}
"""What becomes of a trial, and the kind of its error."""


def broken(*kinds):
    """The change to the study for a network that ends so, by seed."""
    return ('{ name = "mlp", hidden = [12] }', f'{{ name = "net.py:build", kinds = {list(kinds)} }}')


def test_a_trial_that_fails_is_a_row_and_the_rest_goes_on(run, tmp_path):
    (tmp_path / "net.py").write_text(BROKEN_MODEL)
    outcome = run(broken(*ENDS), ("seeds = [0, 1]", f"seeds = {list(range(len(ENDS)))}"), ONE_RECIPE)
    rows = read_study(tmp_path / "out")
    assert (outcome.finished, outcome.failed) == (2, 2 * (len(ENDS) - 1))
    kinds = list(ENDS)
    assert all(row.error_kind == ENDS[kinds[row.seed]] for row in rows.trials)
    assert all(row.attempts == (3 if kinds[row.seed] == "crash" else 1) for row in rows.trials)
    assert rows.sessions[-1].outcome == "failed trials"


def test_failed_trials_are_run_again_only_when_asked(run, tmp_path):
    (tmp_path / "net.py").write_text(BROKEN_MODEL)
    network = broken("fine", "raise")
    run(network, ONE_RECIPE)
    (tmp_path / "net.py").write_text(BROKEN_MODEL.replace('raise RuntimeError("[red]no <b>luck</b>[/red]")', "pass"))
    with pytest.raises(StoreError, match="code of prunus or of the study's own files"):
        run(network, ONE_RECIPE)
    assert run(network, ONE_RECIPE, allow_changes=True).failed == 2
    assert run(network, ONE_RECIPE, allow_changes=True, retry_failed=True).failed == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"mlp"', '"mpl"'), "no model 'mpl'.*'mlp'"),
        (("hidden = [12]", "hiden = [12]"), "no setting 'hiden'.*'hidden'"),
        (('"digits"', '"digist"'), "'digist'.*'digits'"),
        (('{ name = "mlp", hidden = [12] }', '"vgg11"'), "vgg11"),
        (('"unstructured"', '{ name = "x", pattern = "element", criterion = "magnitud" }'), "Did you mean 'magnitude'"),
        (("batch_size = 256", 'batch_size = 256\noptimizer = "adm"'), "'adam'"),
        (("batch_size = 256", 'batch_size = 256\ndevice = "cuda:77"'), "no device 'cuda:77'"),
        (('select = "none"', 'runtimes = ["onxruntime"]'), "no runtime 'onxruntime'.*'onnxruntime'"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_trained(run, tmp_path, change, message):
    from prunus.errors import PrunusError

    with pytest.raises(PrunusError, match=message) as error:
        run(change)
    assert error.value.exit_code in (2, 5)
    with pytest.raises(StoreError, match="has not started"):
        read_study(tmp_path / "out")


def test_a_result_that_was_never_acknowledged_is_taken_in(finished, run, tmp_path):
    """The coordinator died between a worker's result file and its own write."""
    import shutil
    import sqlite3

    shutil.copytree(finished[0], tmp_path / "out")
    with sqlite3.connect(tmp_path / "out" / "study.sqlite") as connection:
        trial = connection.execute("SELECT trial FROM trials WHERE rate > 0 LIMIT 1").fetchone()[0]
        connection.execute("UPDATE trials SET status = 'running' WHERE trial = ?", (trial,))
        for table in ("epochs", "costs", "layers", "classes", "files"):
            connection.execute(f"DELETE FROM {table} WHERE trial = ?", (trial,))
    events = []
    run(observe=events.append)
    assert not [event for event in events if isinstance(event, EpochDone)]
    assert rows_without_times(tmp_path / "out") == rows_without_times(finished[0])


def test_a_damaged_result_is_run_again(finished, run, tmp_path):
    import shutil
    import sqlite3

    shutil.copytree(finished[0], tmp_path / "out")
    with sqlite3.connect(tmp_path / "out" / "study.sqlite") as connection:
        trial = connection.execute("SELECT trial FROM trials WHERE rate > 0 LIMIT 1").fetchone()[0]
        connection.execute("UPDATE trials SET status = 'running' WHERE trial = ?", (trial,))
    result = tmp_path / "out" / "trials" / trial / "result.json"
    result.write_bytes(result.read_bytes()[:-100])
    events = []
    assert run(observe=events.append).finished == 8
    assert {event.row.trial for event in events if isinstance(event, EpochDone)} == {trial}
    assert rows_without_times(tmp_path / "out") == rows_without_times(finished[0])


def test_a_folder_that_cannot_be_made(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Exception, match="cannot be made"):
        run(folder=tmp_path / "file" / "out")


def test_overrides_of_unknown_settings_name_the_nearest(study_file):
    with pytest.raises(InputError, match="epochs"):
        load_study(study_file(), ["training.epoch=3"])


NAN_WHEN_TESTED = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)
    def forward(self, x):
        y = self.layer(x.flatten(1))
        return y if self.training else y * float("{value}")
def build():
    return Net()
"""


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_network_whose_outputs_are_no_numbers_is_a_row_that_says_so(run, tmp_path, value):
    (tmp_path / "net.py").write_text(NAN_WHEN_TESTED.format(value=value))
    model = ('model = { name = "mlp", hidden = [12] }', f'model = "{tmp_path}/net.py:build"')
    outcome = run(model, ONE_RECIPE, ONE_SEED)
    assert (outcome.finished, outcome.failed) == (outcome.trials, 0)
    rows = read_study(tmp_path / "out")
    assert not any(math.isfinite(row.test_loss) for row in rows.epochs)
    assert {(row.stage, row.kind) for row in rows.problems} >= {("evaluation", "NotFinite")}
    if value == "nan":
        assert {row.test_correct for row in rows.epochs} == {0}
        assert {row.predicted_count for row in rows.classes} == {0}
    assert run(model, ONE_RECIPE, ONE_SEED).finished == outcome.finished
