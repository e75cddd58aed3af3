"""Many more workers than cores, on trials that end at once: each exactly once."""

from collections import Counter

from prunus.spec import load_study
from prunus.store import read_study
from prunus.sweep.events import TrialEnded, TrialStarted
from prunus.sweep.run import Options, run_study

WORKERS, SEEDS = 16, 500
INSTANT = f"""
seeds = {list(range(SEEDS))}
data = "digits"
model = {{ name = "mlp", hidden = [1] }}
rates = [0.5]
controls = false
recipes = ["unstructured"]
[training]
epochs = 0
[measurement]
select = "none"
"""


def test_sixteen_workers_do_each_trial_exactly_once(tmp_path):
    (tmp_path / "crowd.toml").write_text(INSTANT)
    starts, ends, at_once, most = Counter(), Counter(), set(), 0

    def observe(event):
        nonlocal most
        if isinstance(event, TrialStarted):
            starts[event.trial] += 1
            at_once.add(event.trial)
            most = max(most, len(at_once))
        if isinstance(event, TrialEnded):
            ends[event.trial, event.status] += 1
            at_once.discard(event.trial)

    outcome = run_study(load_study(tmp_path / "crowd.toml"), tmp_path / "out", Options(workers=WORKERS), observe)
    assert (outcome.trials, outcome.finished) == (2 * SEEDS, 2 * SEEDS)
    trials = {row.trial for row in read_study(tmp_path / "out").trials}
    assert starts == dict.fromkeys(trials, 1)
    assert ends == {(trial, "finished"): 1 for trial in trials}
    assert {row.attempts for row in read_study(tmp_path / "out").trials} == {1}
    assert most > WORKERS // 2
