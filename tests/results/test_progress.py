"""How a run shows itself in a cell."""

from __future__ import annotations

import pytest

from prunus.results.progress import Progress
from prunus.store import EpochRow
from prunus.sweep.events import EpochDone, StudyStarted, TrialEnded, TrialStarted, Warned
from report.tiny import ALL


def test_a_cell_shows_trials_and_what_they_come_to() -> None:
    shown = []
    progress = Progress(shown.append)
    progress(StudyStarted(ALL, 0, 1, 3))
    progress(TrialStarted("u0", 0))
    progress(EpochDone(EpochRow("u0", 1, 1.0, 1.0, 900, 1000, 0.0, 1e-3, 0.1), saved=False))
    progress(TrialEnded("u0", "finished", 1.0))
    progress(Warned("mlflow <is> away"))
    last = shown[-1]._repr_html_()
    assert 'value="1" max="4"' in last
    assert "1 of 4 trials: warning: mlflow &lt;is&gt; away" in last
    assert "unpruned, seed 0: 90" in repr(shown[-2])


def test_elsewhere_it_says_lines(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress(StudyStarted(ALL, 0, 1, 3))
    progress(TrialEnded("u0", "failed", 1.0, "ValueError", "no luck"))
    assert capsys.readouterr().err == "[1/4] unpruned, seed 0: failed. no luck (time left not known yet)\n"
