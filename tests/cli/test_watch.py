"""A study that runs, seen from the terminal."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from prunus.cli.main import app
from prunus.cli.watch import LivePage, _look, sparkline, study_lines
from prunus.report.findings import Findings
from prunus.store import SessionRow, Store, read_study
from report.made_study import Made, made_study
from small_study import wait_for

SMALL = ('recipes=["structured"]', "rates=[0,0.8]", "seeds=[0,1]", "training.epochs=6")


@pytest.fixture
def running(tmp_path: Path) -> Path:
    """Four trials: one finished, one failed, one that has three of six epochs behind it, one that waits."""
    return made_study(tmp_path / "study", Made(overrides=SMALL, failed=(1,), running=(2,), waiting=(3,)))


def test_a_running_study_is_told_in_few_lines(running: Path) -> None:
    lines = study_lines(Findings(read_study(running)))
    assert "1 of 4 trials finished, 1 failed, 2 still to come" in lines[0]
    assert lines[1] == "2 trials left: about 25 s of work for one worker, measurements apart."  # 12.5 s each
    assert lines[2].startswith("unpruned, seed 1: ")
    assert lines[2].endswith("after epoch 3 of 6")
    assert lines[3].startswith("failed: structured 0.8, seed 0: not_finite: The loss became NaN")
    assert len(lines) == 4


def test_a_finished_study_has_nothing_left(tmp_path: Path) -> None:
    lines = study_lines(Findings(read_study(made_study(tmp_path, Made(overrides=SMALL)))))
    assert len(lines) == 1
    assert "4 of 4 trials finished." in lines[0]


def test_without_a_terminal_it_looks_once(running: Path) -> None:
    result = CliRunner().invoke(app, ["watch", str(running)])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == study_lines(Findings(read_study(running)))


def test_a_rising_curve_rises() -> None:
    drawn = sparkline([index / 100 for index in range(100)])
    assert len(drawn) == 30
    assert list(drawn) == sorted(drawn)
    assert (drawn[0], drawn[-1]) == ("▁", "█")


def test_the_page_is_rewritten_until_the_run_is_over(running: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    monkeypatch.setattr("prunus.cli.watch.LEAST_SECONDS", 0.01)
    monkeypatch.setattr("os.nice", lambda _: 0)  # it could not be taken back here
    page = running / "report.html"
    live = LivePage(running)
    live.__enter__()
    wait_for(page.exists, seconds=240)
    assert "while the study runs" in page.read_text()
    written = page.stat().st_mtime_ns
    with Store(running) as store, store.transaction():
        store.put([replace(trial, status="finished") for trial in read_study(running).trials])
    wait_for(lambda: page.stat().st_mtime_ns != written, seconds=240)
    live.__exit__(KeyboardInterrupt, None, None)  # somebody ends the watching, not the study
    assert "data-reload" in page.read_text()
    assert opened == [page.resolve().as_uri()]
    assert not (running / "figures").exists()
    with LivePage(running):
        pass
    assert 'class="subtitle live"' not in page.read_text()
    assert (running / "figures").exists()


def test_a_page_that_cannot_be_written_is_told_once(
    running: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.nice", lambda _: 0)
    (running / "report.html").mkdir()
    with LivePage(running):
        pass
    assert capsys.readouterr().err.count("warning: ") == 1


def test_a_run_that_measures_is_not_over(running: Path) -> None:
    with Store(running) as store, store.transaction():
        store.put([replace(trial, status="finished") for trial in read_study(running).trials])
    assert _look(running)[1]
    with Store(running) as store, store.transaction():
        store.put([replace(store.rows(SessionRow)[-1], ended_at=None)])
    assert not _look(running)[1]
