"""Kills studies at random moments, over and over, and counts what was lost: nothing may be.

    python benchmarks/chaos.py instant --kills 1000    # instant trials
    python benchmarks/chaos.py training --kills 50     # trials that train, and the time that it costs
    python benchmarks/chaos.py crowd --trials 1000     # 16 workers, each trial exactly once

Each kill is a SIGKILL of the coordinator, of the workers' host, of one worker, or of the whole group. Whenever the
study has to be started again, and at its end, the store is compared with all that was acknowledged before: a trial that
was told to be finished must be finished, with the same rows as at any earlier look, and none may be told twice. The
counts are printed each time, so that a run that is cut off has told, too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from instant_study import write_instant

from prunus.errors import MissingError, PrunusError
from prunus.spec import load_study
from prunus.store import EpochRow, read_study
from prunus.sweep.events import EpochDone, TrialEnded, TrialStarted
from prunus.sweep.run import Options, run_study

VICTIMS = {"coordinator": 1, "host": 1, "worker": 12, "group": 1}
"""How often each is hit; a dead worker needs no new start, and so many more kills fit into an hour."""

KILLED_WHILE_LOADING = 0.1
NEVER = 1e9

MANY_ATTEMPTS = """
[execution]
attempts = 1000
"""
TRAINING = """
data = "digits"
model = { name = "mlp", hidden = [32] }
rates = [0.5]
controls = false
recipes = ["reference-unstructured", "unstructured", "structured"]
[training]
epochs = 300
batch_size = 64
[measurement]
select = "none"
[execution]
attempts = 1000
checkpoint_seconds = 1
"""
TRAINING_PER_SEED = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["instant", "training", "crowd", "child"])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--trials", type=int, default=0, help="of each study; 0: 1,000 instant ones, 120 that train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--study", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.kind == "child":
        child(asked.study)
        return
    with tempfile.TemporaryDirectory() as place:
        if asked.kind == "crowd":
            crowd(Path(place), asked.trials or 1000)
        elif asked.kind == "instant":
            instant(Path(place), asked.kills, asked.trials or 1000, random.Random(asked.seed))
        else:
            training(Path(place), asked.kills, asked.trials or 120, random.Random(asked.seed))


def child(study: Path) -> None:
    """Run a study; note when its first trial began, every epoch that was done, every trial that was acknowledged."""
    begun = False

    def note(kind: str, value: object) -> None:
        with study.with_suffix(f".{kind}").open("a") as file:
            file.write(json.dumps(value) + "\n")

    def observe(event: object) -> None:
        nonlocal begun
        match event:
            case TrialStarted() if not begun:
                begun = True
                note("begun", time.time())
            case EpochDone():
                note("epochs", [event.row.trial, event.row.epoch, event.row.seconds])
            case TrialEnded(status="finished"):
                note("finished", event.trial)

    try:
        run_study(load_study(study), study.with_suffix(""), Options(), observe)
    except MissingError as error:  # its host is gone
        print(error.what, file=sys.stderr)
        sys.exit(error.exit_code)


@dataclass
class Chaos:
    """One study under fire."""

    study: Path
    trials: int
    draw: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    lost: int = 0
    changed: int = 0
    seconds: float = 0.0
    loading_seconds: float = 0.0
    acknowledged: dict[str, tuple[object, ...]] = field(default_factory=dict)

    def run(self, most_kills: int, longest_pause: float, tell: Callable[[Chaos], None]) -> None:
        """Start until the study ends, killing at most so often."""
        ended = False
        while not ended:
            ended = self._start(most_kills, longest_pause)
            self._compare()
            tell(self)

    def _start(self, most_kills: int, longest_pause: float) -> bool:
        """One run of the study; returns whether it came to its end."""
        process = subprocess.Popen(
            [sys.executable, __file__, "child", "--study", str(self.study)], start_new_session=True
        )
        self.starts += 1
        began = time.time()
        if self.draw.random() > KILLED_WHILE_LOADING:
            self._wait(process, 600, until=partial(self._has_begun, began))
        last = ""
        while process.poll() is None and self.killed < most_kills:
            self._wait(process, self.draw.uniform(0, longest_pause), until=lambda: False)
            last = self._kill(process, self.draw.choices(list(VICTIMS), list(VICTIMS.values()))[0]) or last
        process.wait()
        self.seconds += time.time() - began
        self.loading_seconds += min(self._loaded_after(began), time.time() - began)
        if process.returncode > 0 and last != "host":
            raise SystemExit(f"the study ended by itself with {process.returncode}")
        return process.returncode == 0

    @property
    def killed(self) -> int:
        """Kills that have hit."""
        return sum(self.kills.values())

    @property
    def doubled(self) -> int:
        """Trials that were told to be finished more than once."""
        return sum(count > 1 for count in Counter(self.noted("finished")).values())

    @property
    def counts(self) -> str:
        """All that was counted so far, in one line."""
        return (f"{self.killed} kills ({dict(self.kills)}), {self.starts} starts, {len(self.acknowledged)} of "
                f"{self.trials} trials: {self.lost} lost, {self.doubled} double, {self.changed} changed")  # fmt: skip

    def _wait(self, process: subprocess.Popen[bytes], seconds: float, until: Callable[[], bool]) -> None:
        give_up = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < give_up and not until():
            time.sleep(0.005)

    def _kill(self, process: subprocess.Popen[bytes], victim: str) -> str:
        """Kill it, and all that end with it; returns what was hit, empty where nothing of the kind was there."""
        family = descendants(process.pid)
        chosen = {
            "coordinator": [process.pid],
            "host": family[:1],
            "worker": [self.draw.choice(family[1:])] if len(family) > 1 else [],
            "group": [process.pid, *family],
        }[victim]
        if process.poll() is not None or not chosen:
            return ""
        for pid in chosen:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.kills[victim] += 1
        if victim != "worker":
            process.wait()
        return victim

    def _has_begun(self, since: float) -> bool:
        return self._loaded_after(since) < NEVER

    def _loaded_after(self, start: float) -> float:
        """Seconds from a start until torch and the data were loaded and the first trial began."""
        begun = self.noted("begun")
        return begun[-1] - start if begun and begun[-1] > start else NEVER

    def noted(self, kind: str) -> list[Any]:
        """What the study's runs have noted of one kind."""
        notes = self.study.with_suffix(f".{kind}")
        return [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []

    def _compare(self) -> None:
        """Whatever was acknowledged must be there, and the same."""
        now = finished_rows(self.study.with_suffix(""))
        self.lost += len({*self.noted("finished"), *self.acknowledged} - now.keys())
        self.changed += sum(now.get(trial, rows) != rows for trial, rows in self.acknowledged.items())
        self.acknowledged = now


def finished_rows(folder: Path) -> dict[str, tuple[object, ...]]:
    """All rows of every finished trial, as any reader finds them."""
    try:
        rows = read_study(folder)
    except PrunusError:
        return {}
    found: dict[str, list[object]] = {row.trial: [row.seconds] for row in rows.trials if row.status == "finished"}
    for table in (rows.epochs, rows.costs, rows.layers, rows.classes, rows.files, rows.problems):
        for row in table:
            if row.trial in found:
                found[row.trial].append(row)
    return {trial: tuple(all_rows) for trial, all_rows in found.items()}


def instant(place: Path, kills: int, trials: int, draw: random.Random) -> None:
    """Studies of instant trials until so many kills have hit."""
    through: list[Chaos] = []

    def tell(chaos: Chaos) -> None:
        all_of_them = [*through, chaos]
        hit = sum((one.kills for one in all_of_them), Counter[str]())
        lost, changed = sum(one.lost for one in all_of_them), sum(one.changed for one in all_of_them)
        print(f"{hit.total()} kills ({dict(hit)}), {sum(one.starts for one in all_of_them)} starts, "
              f"{sum(len(one.acknowledged) for one in all_of_them)} trials in {len(all_of_them)} studies: "
              f"{lost} lost, {sum(one.doubled for one in all_of_them)} double, {changed} changed",
              flush=True)  # fmt: skip

    while (hit := sum(one.killed for one in through)) < kills:
        study = write_instant(place / f"instant{len(through)}.toml", trials, MANY_ATTEMPTS)
        chaos = Chaos(study, trials, draw)
        chaos.run(kills - hit, longest_pause=0.5, tell=tell)
        if len(chaos.acknowledged) < trials:
            raise SystemExit(f"a study ended with {len(chaos.acknowledged)} of {trials} trials")
        through.append(chaos)


def training(place: Path, kills: int, trials: int, draw: random.Random) -> None:
    """The same study without and with kills, which are spread over it: the same rows, and what the kills cost."""
    plain = Chaos(write_training(place / "plain.toml", trials), trials, draw)
    plain.run(0, longest_pause=1.0, tell=lambda one: print(f"undisturbed: {one.seconds:.1f} s", flush=True))
    chaos = Chaos(write_training(place / "killed.toml", trials), trials, draw)
    chaos.run(kills, longest_pause=2 * plain.seconds / kills, tell=lambda one: print(one.counts, flush=True))
    epochs: Counter[tuple[str, int]] = Counter()
    redone = 0.0
    for trial, epoch, seconds in chaos.noted("epochs"):
        epochs[trial, epoch] += 1
        redone += seconds * (epochs[trial, epoch] > 1)
    same = all(without_seconds(plain.acknowledged[one]) == without_seconds(rows)
               for one, rows in chaos.acknowledged.items())  # fmt: skip
    redone /= len(os.sched_getaffinity(0))  # workers redo side by side
    print(f"{chaos.killed} of {kills} kills hit; the same rows bit for bit, times apart: {same}")
    print(f"redone: {sum(n - 1 for n in epochs.values())} epochs of {len(epochs)}, {redone:.1f} s of the study's time")
    print(f"all in all: undisturbed {plain.seconds:.1f} s, disturbed {chaos.seconds:.1f} s; without what was redone "
          f"{(chaos.seconds - redone) / plain.seconds:.2f}x (at most 1.25x asked)")  # fmt: skip
    training = [one.seconds - one.loading_seconds for one in (plain, chaos)]
    print(f"of it loading torch and the data: undisturbed {plain.loading_seconds:.1f} s, disturbed "
          f"{chaos.loading_seconds:.1f} s in {chaos.starts} starts; without that, and without what was redone "
          f"{(training[1] - redone) / training[0]:.2f}x")  # fmt: skip


def without_seconds(rows: tuple[object, ...]) -> list[object]:
    """Rows of a trial without what differs from run to run."""
    return [replace(row, seconds=0.0) if isinstance(row, EpochRow) else row for row in rows[1:]]


def crowd(place: Path, trials: int) -> None:
    """Sixteen workers on many trials: each exactly once."""
    ends: Counter[str] = Counter()

    def count(event: object) -> None:
        if isinstance(event, TrialEnded):
            ends[event.trial] += 1

    study = load_study(write_instant(place / "crowd.toml", trials))
    outcome = run_study(study, place / "crowd", Options(workers=16), count)
    print(f"{outcome.finished} of {trials} trials finished, {sum(n == 1 for n in ends.values())} of them exactly once")


def write_training(path: Path, trials: int) -> Path:
    """A study's file with so many trials that train."""
    path.write_text(f"seeds = {list(range(trials // TRAINING_PER_SEED))}\n{TRAINING}")
    return path


def descendants(pid: int) -> list[int]:
    """Process ids of all children of a process, and theirs (Linux); the first is the host."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [one for child in map(int, children) for one in (child, *descendants(child))]


if __name__ == "__main__":
    main()
