"""A process that follows a study's store and tells its trackers, until the one that runs the study lets go of it.

What is written to its standard output are warnings, a line each.
"""

from __future__ import annotations

import json
import math
import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from prunus.errors import MissingError, PrunusError, StoreError
from prunus.spec import Trial
from prunus.spec.load import parse_study
from prunus.store import CostRow, EpochRow, FileRow, MetricRow, Store, StudyRows, TrialRow, read_study, write_atomically
from prunus.system.reading import read_whole
from prunus.tracking.tracker import Entry, TrackedTrial, Tracker

STATE_FILE, LARGEST_STATE_BYTES = "tracking.json", 1 << 26
LEAST_SECONDS = 2.0
OF_AN_EPOCH = ("train_loss", "test_loss", "sparsity", "learning_rate", "seconds")
OF_A_NETWORK = ("parameters", "nonzero_parameters", "dense_macs", "effective_macs", "dense_bops", "effective_bops")

State = dict[str, dict[str, dict[str, Any]]]
"""What was told of each trial, by tracker: the last epoch, how it ended, and the handle of its entry."""


def main() -> None:
    """Follow the study in the folder that the command names, until standard input ends."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what trackers print is not for the user's terminal

    def warn(text: str) -> None:
        print(text.replace("\n", " "), file=out, flush=True)

    from prunus.tracking import trackers_of

    folder = Path(sys.argv[1])
    study = parse_study(json.loads((folder / "study.json").read_bytes()), "study.json")
    follow(folder, trackers_of(study.tracking), warn, _let_go)


def _let_go(seconds: float) -> bool:
    """Wait so long, or until nobody holds the other end of standard input any more; whether that is so."""
    return bool(select.select([0], [], [], seconds)[0])


def follow(
    folder: Path, trackers: Mapping[str, Tracker], warn: Callable[[str], None], is_over: Callable[[float], bool]
) -> None:
    """Look at the store again and again, a twentieth of the time at most, and tell the trackers what is new.

    is_over: waits for so many seconds, or until the study has stopped, and says whether it has.
    """
    state = _read_state(folder / STATE_FILE)
    following = [_Following(name, tracker, state.setdefault(name, {})) for name, tracker in trackers.items()]
    pause, seen, stopped = LEAST_SECONDS, 0.0, False
    while not stopped:
        stopped = is_over(pause)
        began = time.monotonic()
        if (changed := _changed_at(folder)) != seen and (rows := _rows(folder)) is not None:
            seen = changed
            trials = {trial.digest: trial for trial in rows.study.trials()}
            for one in [one for one in following if not one.tell(rows, trials, warn)]:
                following.remove(one)
            write_atomically(folder / STATE_FILE, json.dumps(state).encode())
        pause = max(LEAST_SECONDS, 19 * (time.monotonic() - began))
    for one in following:
        one.pause(warn)


def _changed_at(folder: Path) -> float:
    try:
        return (folder / Store.FILE_NAME).stat().st_mtime
    except OSError:
        return 0.0


def _rows(folder: Path) -> StudyRows | None:
    try:
        return read_study(folder)
    except StoreError:  # it has not begun
        return None


def _read_state(path: Path) -> State:
    """What was told before; nothing where that cannot be read, and entries are then begun anew."""
    try:
        state: State = json.loads(read_whole(path, LARGEST_STATE_BYTES))
    except (OSError, ValueError, PrunusError):
        return {}
    return state if isinstance(state, dict) else {}


class _Following:
    """One tracker, what it was told, and its entries of trials that run."""

    def __init__(self, name: str, tracker: Tracker, state: dict[str, dict[str, Any]]) -> None:
        self.name, self.tracker, self.state = name, tracker, state
        self.entries: dict[str, Entry] = {}

    def tell(self, rows: StudyRows, trials: Mapping[str, Trial], warn: Callable[[str], None]) -> bool:
        """Tell it what is new. False, after a warning, where it failed: then it is told nothing more in this run."""
        try:
            self._need_packages()
            epochs = _by_trial(rows.epochs)
            for row in rows.trials:
                if row.trial in trials:
                    self._tell_trial(rows, row, trials[row.trial], epochs.get(row.trial, []))
        except Exception as error:  # whatever another's program may raise
            what = str(error) if isinstance(error, PrunusError) else f"{type(error).__name__}: {error}"
            warn(f"{self.name} is told no more of this run, which goes on without: {what}")
            return False
        return True

    def pause(self, warn: Callable[[str], None]) -> None:
        """The study has stopped."""
        for entry in self.entries.values():
            try:
                entry.pause()
            except Exception as error:
                warn(f"{self.name} could not be closed: {type(error).__name__}: {error}")

    def _need_packages(self) -> None:
        for package in self.tracker.packages:
            if find_spec(package) is None:
                extra = f"prunus[{self.tracker.extra}]" if self.tracker.extra else package
                raise MissingError(f"{package} is not installed", "", f"pip install {extra}")

    def _tell_trial(self, rows: StudyRows, row: TrialRow, trial: Trial, epochs: list[EpochRow]) -> None:
        told = self.state.setdefault(row.trial, {"epoch": -1, "ended": "", "handle": ""})
        new = [one for one in epochs if one.epoch > told["epoch"]]
        ended = row.status if row.status in ("finished", "failed") else ""
        if not new and (not ended or ended == told["ended"]):
            return
        entry = self.entries.get(row.trial)
        if entry is None:
            entry = self.entries[row.trial] = self.tracker.open(tracked(rows, trial), told["handle"])
            told["handle"] = entry.handle
        for one in new:
            entry.epoch(one.epoch, epoch_values(one, rows.study.metric.name))
            told["epoch"] = one.epoch
        if ended:
            entry.end("finished" if ended == "finished" else "failed", final_values(rows, row.trial))
            told["ended"] = ended
            del self.entries[row.trial]


def _by_trial(epochs: tuple[EpochRow, ...]) -> dict[str, list[EpochRow]]:
    found: dict[str, list[EpochRow]] = {}
    for row in epochs:
        found.setdefault(row.trial, []).append(row)
    return found


def tracked(rows: StudyRows, trial: Trial) -> TrackedTrial:
    """What trackers are told of a trial first."""
    settings = dict(_flat(trial.model_dump(mode="json")))
    settings["study_digest"] = rows.study.digest
    return TrackedTrial(rows.study.name, rows.folder.resolve(), trial.digest, trial.label, settings)


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting by its whole name; lists and None as text, which is what all trackers take.

    >>> dict(_flat({"training": {"epochs": 2, "augment": []}, "recipe": None}))
    {'training.epochs': 2, 'training.augment': '[]', 'recipe': 'None'}
    """
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else name)
    else:
        yield key, value if isinstance(value, str | int | float) else str(value)


def epoch_values(row: EpochRow, metric: str) -> dict[str, float]:
    """What an epoch came to, under the names of its row; the task's metric under its own."""
    values = {name: float(getattr(row, name)) for name in OF_AN_EPOCH}
    return values if math.isnan(row.metric) else {**values, metric: row.metric}


def final_values(rows: StudyRows, trial: str) -> dict[str, float]:
    """What a final network costs and has, as far as it is known when its trial ends."""

    def of_trial(kind: tuple[Any, ...]) -> Iterator[Any]:
        return (row for row in kind if row.trial == trial)

    costs: Iterator[CostRow] = of_trial(rows.costs)
    files: Iterator[FileRow] = of_trial(rows.files)
    metrics: Iterator[MetricRow] = of_trial(rows.metrics)
    found = {name: float(getattr(row, name)) for row in costs for name in OF_A_NETWORK}
    found |= {f"size_bytes.{row.format}": float(row.size_bytes) for row in files}
    return found | {row.name: row.value for row in metrics}


if __name__ == "__main__":
    main()
