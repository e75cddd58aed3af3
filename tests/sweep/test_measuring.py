"""The final networks on every runtime, cut ones too."""

from prunus.measure import RUNTIMES
from prunus.store import read_study

MEASURED = 'select = "first"\nbatch_sizes = [2]\nrounds = 30'


def test_every_selected_network_is_measured_on_every_runtime(run, tmp_path):
    outcome = run(('select = "none"', MEASURED), ("epochs = 5", "epochs = 2"), ("seeds = [0, 1]", "seeds = [0]"))
    rows = read_study(tmp_path / "out")
    missing = RUNTIMES.get("prunus")().available()
    assert all(missing and missing in problem.message for problem in rows.problems)
    assert outcome.problems == (0 if missing is None else 2)  # latency and memory, each said once
    assert [cost.shrunk for cost in rows.costs].count(True) == 1  # `structured`
    trials = {trial.trial for trial in rows.trials}
    measured = [name for name in rows.study.measurement.runtimes if not (missing and name == "prunus")]
    for runtime in measured:
        assert {row.trial for row in rows.latencies if row.runtime == runtime} == trials
        assert {row.trial for row in rows.memories if row.runtime == runtime} == trials
    formats = {RUNTIMES.get(name).file_format for name in measured}
    assert {(row.trial, row.format) for row in rows.files} == {(t, f) for t in trials for f in formats}
