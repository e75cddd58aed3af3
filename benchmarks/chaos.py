"""Kills studies at random moments, over and over, and counts what was lost: nothing may be.

    python benchmarks/chaos.py instant --kills 1000    # instant trials
    python benchmarks/chaos.py training --kills 50     # trials that train, and the time that it costs
    python benchmarks/chaos.py crowd --trials 1000     # 16 workers, each trial exactly once

Each kill is a SIGKILL of the coordinator, of one worker, or of the whole group. Before each start and at the end the
store is compared with all that it had acknowledged before: a finished trial must still be finished, with the same rows.
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
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from instant_study import write_instant

VICTIMS = {"coordinator": 1, "worker": 12, "group": 1}
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
epochs = 150
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
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--study", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.kind == "child":
        child(asked.study, asked.workers)
        return
    with tempfile.TemporaryDirectory() as place:
        if asked.kind == "crowd":
            crowd(Path(place), asked.trials)
        elif asked.kind == "instant":
            instant(Path(place), asked.kills, random.Random(asked.seed))
        else:
            training(Path(place), asked.kills, random.Random(asked.seed))


def child(study: Path, workers: int) -> None:
    """Run a study, and note when it was ready and every epoch that was done."""
    from prunus.spec import load_study
    from prunus.sweep.events import EpochDone, Ready
    from prunus.sweep.run import Options, run_study

    with study.with_suffix(".log").open("a", buffering=1) as log:

        def observe(event: object) -> None:
            if isinstance(event, Ready):
                log.write(json.dumps({"ready": time.time()}) + "\n")
            if isinstance(event, EpochDone):
                log.write(json.dumps({"epoch": [event.row.trial, event.row.epoch], "s": event.row.seconds}) + "\n")

        run_study(load_study(study), study.with_suffix(""), Options(workers), observe)


@dataclass
class Chaos:
    """One study under fire."""

    study: Path
    draw: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    lost: int = 0
    changed: int = 0
    seconds: float = 0.0
    loading_seconds: float = 0.0
    acknowledged: dict[str, tuple[object, ...]] = field(default_factory=dict)

    def run(self, most_kills: int, longest_pause: float) -> bool:
        """Start until the study ends, killing at most so often; returns whether it ended."""
        while True:
            process = subprocess.Popen(
                [sys.executable, __file__, "child", "--study", str(self.study)], start_new_session=True
            )
            self.starts += 1
            began = time.time()
            if self.draw.random() > KILLED_WHILE_LOADING:
                self._wait(process, 600, until=partial(self._is_ready, began))
            while process.poll() is None and sum(self.kills.values()) < most_kills:
                self._wait(process, self.draw.uniform(0, longest_pause), until=lambda: False)
                self._kill(process, self.draw.choices(list(VICTIMS), list(VICTIMS.values()))[0])
            process.wait()
            self.seconds += time.time() - began
            self.loading_seconds += min(self._ready_after(began), time.time() - began)
            self._compare()
            if process.returncode == 0:
                return True
            if process.returncode > 0:
                raise SystemExit(f"the study ended by itself with {process.returncode}")

    def _wait(self, process: subprocess.Popen[bytes], seconds: float, until: Callable[[], bool]) -> None:
        give_up = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < give_up and not until():
            time.sleep(0.005)

    def _kill(self, process: subprocess.Popen[bytes], victim: str) -> None:
        family = descendants(process.pid)
        chosen = {
            "coordinator": [process.pid],
            "worker": [self.draw.choice(family[1:])] if len(family) > 1 else [],
            "group": [process.pid, *family],
        }[victim]
        if process.poll() is not None or not chosen:
            return
        for pid in chosen:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.kills[victim] += 1
        if victim != "worker":
            process.wait()

    def _is_ready(self, began: float) -> bool:
        return self._ready_after(began) < NEVER

    def _ready_after(self, began: float) -> float:
        """Seconds from a start to the moment when torch and the data were loaded."""
        log = self.study.with_suffix(".log")
        ready = (
            [json.loads(line)["ready"] for line in log.read_text().splitlines() if "ready" in line]
            if log.exists()
            else []
        )
        return ready[-1] - began if ready and ready[-1] > began else NEVER

    def _compare(self) -> None:
        """Whatever was acknowledged must be there, and the same."""
        now = finished_rows(self.study.with_suffix(""))
        for trial, rows in self.acknowledged.items():
            self.lost += trial not in now
            self.changed += trial in now and now[trial] != rows
        self.acknowledged = now


def finished_rows(folder: Path) -> dict[str, tuple[object, ...]]:
    """All rows of every finished trial, as any reader finds them."""
    from prunus.errors import PrunusError
    from prunus.store import read_study

    try:
        rows = read_study(folder)
    except PrunusError:
        return {}
    found: dict[str, list[object]] = {row.trial: [row.seconds] for row in rows.trials if row.status == "finished"}
    for table in (rows.epochs, rows.costs, rows.layers, rows.classes, rows.files):
        for row in table:
            if row.trial in found:
                found[row.trial].append(row)
    return {trial: tuple(all_rows) for trial, all_rows in found.items()}


def instant(place: Path, kills: int, draw: random.Random) -> None:
    """Studies of instant trials until so many kills have hit."""
    total = Counter[str]()
    lost = changed = starts = trials = unfinished = number = 0
    while sum(total.values()) < kills:
        study = write_instant(place / f"instant{number}.toml", 1000, MANY_ATTEMPTS)
        chaos = Chaos(study, draw)
        chaos.run(kills - sum(total.values()), longest_pause=0.5)
        total += chaos.kills
        lost, changed, starts, number = lost + chaos.lost, changed + chaos.changed, starts + chaos.starts, number + 1
        trials += len(chaos.acknowledged)
        unfinished += 1000 - len(chaos.acknowledged)
        print(f"{sum(total.values())} kills ({dict(total)}), {starts} starts, {trials} trials: {lost} lost, "
              f"{changed} changed, {unfinished} unfinished", flush=True)  # fmt: skip


def training(place: Path, kills: int, draw: random.Random) -> None:
    """The same study without and with kills: the same rows, and what the kills cost."""
    plain = Chaos(write_training(place / "plain.toml", 24), draw)
    plain.run(0, longest_pause=1.0)
    chaos = Chaos(write_training(place / "killed.toml", 24), draw)
    chaos.run(kills, longest_pause=3.0)
    epochs: Counter[tuple[str, int]] = Counter()
    redone = 0.0
    for line in map(json.loads, chaos.study.with_suffix(".log").read_text().splitlines()):
        if "epoch" in line:
            epochs[tuple(line["epoch"])] += 1
            redone += line["s"] * (epochs[tuple(line["epoch"])] > 1)
    same = all(without_seconds(plain.acknowledged[one]) == without_seconds(rows)
               for one, rows in chaos.acknowledged.items())  # fmt: skip
    undisturbed = plain.seconds - plain.loading_seconds
    disturbed = chaos.seconds - chaos.loading_seconds
    workers = len(os.sched_getaffinity(0))
    counts = f"{chaos.lost} lost, {chaos.changed} changed"
    ended = f"{len(chaos.acknowledged)} of {len(plain.acknowledged)} trials"
    print(f"{sum(chaos.kills.values())} kills ({dict(chaos.kills)}), {chaos.starts} starts, {ended}: {counts}")
    print(f"the same rows bit for bit, times apart: {same}")
    print(f"redone epochs that were told: {sum(n - 1 for n in epochs.values())}, {redone:.1f} s")
    print(f"without loading: undisturbed {undisturbed:.1f} s, disturbed {disturbed:.1f} s, ratio less redone epochs: "
          f"{(disturbed - redone / workers) / undisturbed:.2f}; loading: {chaos.loading_seconds:.1f} s")  # fmt: skip


def without_seconds(rows: tuple[object, ...]) -> list[object]:
    """Rows of a trial without what differs from run to run."""
    from dataclasses import replace

    from prunus.store import EpochRow

    return [replace(row, seconds=0.0) if isinstance(row, EpochRow) else row for row in rows[1:]]


def crowd(place: Path, trials: int) -> None:
    """Sixteen workers on many trials: each exactly once."""
    from prunus.spec import load_study
    from prunus.sweep.events import TrialEnded
    from prunus.sweep.run import Options, run_study

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
    """Process ids of all children of a process, and theirs (Linux)."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [one for child in map(int, children) for one in (child, *descendants(child))]


if __name__ == "__main__":
    main()
