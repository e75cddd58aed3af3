"""Studies of 100, 1,000 and 10,000 instant trials: cost per trial, memory of the coordinator, time to show and report.

Each study runs in a fresh process on the executor `local`; a trial trains for no epoch and has a perceptron with one
hidden unit. The cost per trial is the wall time from the moment when torch and the data are loaded to the end.

    python benchmarks/many_trials.py --trials 100 1000 10000
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from instant_study import write_instant


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.one)))
        return
    print(f"{'trials':>7} {'loading':>9} {'per trial':>10} {'coordinator':>12} {'show':>8} {'report':>8}")
    for count in asked.trials:
        command = [sys.executable, __file__, "--one", str(count)]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        print(
            f"{count:>7} {found['loading']:>7.1f} s {found['per_trial']:>7.2f} ms {found['coordinator']:>9.0f} MB"
            f" {found['show']:>6.1f} s {found['report']:>6.1f} s",
            flush=True,
        )


def measure(trials: int) -> dict[str, float]:
    """Run one study of so many trials and look at it."""
    from prunus.spec import load_study
    from prunus.sweep.run import Options, run_study

    moments: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        study = load_study(write_instant(Path(place) / "instant.toml", trials))
        began = time.perf_counter()
        outcome = run_study(
            study, Path(place) / "out", Options(), lambda event: note(moments, event, time.perf_counter())
        )
        ended = time.perf_counter()
        peak = peak_megabytes()
        if outcome.finished != trials:
            raise SystemExit(f"{outcome.finished} of {trials} trials finished")
        return {
            "loading": moments["Ready"] - began,
            "per_trial": (ended - moments["Ready"]) / trials * 1e3,
            "coordinator": peak,
            "show": seconds_of("show", Path(place) / "out"),
            "report": seconds_of("report", Path(place) / "out"),
        }


def note(moments: dict[str, float], event: Any, now: float) -> None:
    """When each kind of event came first."""
    moments.setdefault(type(event).__name__, now)


def seconds_of(command: str, folder: Path) -> float:
    """Wall time of a command as a user runs it."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "prunus", command, str(folder)], check=True, capture_output=True)
    return time.perf_counter() - began


def peak_megabytes() -> float:
    """The most memory that this process has had resident (Linux)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
