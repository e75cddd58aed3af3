"""What a terminal says of trials that were lost, and of a study that is asked to stop."""

from dataclasses import replace

from rich.console import Console

from prunus.cli.progress import Lines
from prunus.results.run_state import RunState
from prunus.spec import load_study
from prunus.store import EpochRow
from prunus.sweep.events import EpochDone, Stopping, StudyStarted, TrialEnded, TrialLost
from prunus.sweep.trial_states import waiting_row


def study_of_two():
    first, second = (waiting_row(trial) for trial in load_study("digits").trials()[:2])
    state = RunState()
    state.take(StudyStarted((first, second), 0, 2, 5))
    return state, first.trial


def test_a_trial_that_is_lost_is_tried_again_or_given_up_and_then_counts_as_ended():
    state, trial = study_of_two()
    state.take(EpochDone(EpochRow(trial, 1, 0.5, 0.25, 3, 4, 0.0, 1e-3, 0.1), saved=False))
    assert state.epochs_left == 9
    lost = TrialLost(trial, "SIGSEGV", again=True)
    state.take(lost)
    assert state.ended(lost).endswith("seed 0: its process ended with SIGSEGV; it is tried again")
    assert (state.progress(), state.epochs_left) == ("[0/2]", 10)
    for cause, words in (
        ("TimeLimit", "it took longer than execution.time_limit_seconds"),
        ("LeaseExpired", "nothing was heard of it for longer than execution.lease_seconds"),
    ):
        assert f"seed 0: {words}; given up" in state.ended(replace(lost, cause=cause, again=False))
    state.take(replace(lost, again=False))
    assert state.progress() == "[1/2]"


def test_what_a_trial_says_in_its_error_cannot_act_on_the_terminal(capsys):
    lines = Lines(Console(stderr=True))
    lines.state, trial = study_of_two()
    lines(TrialEnded(trial, "failed", 1.0, "RuntimeError", "\x1b]0;owned\x07\x1b[31m[red]luck\u202e"))
    said = capsys.readouterr().err
    assert "\\x1b]0;owned\\x07\\x1b[31m[red]luck\\u202e" in said
    assert "\x1b" not in said


def test_whoever_stops_a_study_is_told_what_happens_and_what_a_second_signal_does(capsys):
    Lines(Console(stderr=True))(Stopping(2))
    said = capsys.readouterr().err
    assert "stopping after the epochs that run" in said
    assert "a second signal (Ctrl-C) stops at once" in said
