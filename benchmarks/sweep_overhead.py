"""What the sweep itself costs per trial, and how long a report of many trials takes.

Runs a study of instant trials (no epoch; a perceptron with one hidden unit) and prints the wall time of the whole
run per trial, the part of it that trials themselves worked, and the rest: starting, handing out, storing.

    python benchmarks/sweep_overhead.py --trials 1000
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from instant_study import write_instant

from prunus.report import build_report
from prunus.spec import load_study
from prunus.sweep.events import Event, MeasuringStarted, Ready, StudyStarted, TrialEnded
from prunus.sweep.run import Options, run_study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=0)
    count = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        study = load_study(write_instant(Path(place) / "instant.toml", count.trials))
        moments: dict[str, float] = {}
        worked: list[float] = []

        def note(event: Event | StudyStarted | MeasuringStarted) -> None:
            now = time.perf_counter()
            moments.setdefault(type(event).__name__, now)
            if isinstance(event, TrialEnded):
                worked.append(event.seconds)

        began = time.perf_counter()
        outcome = run_study(study, Path(place) / "out", Options(count.workers), note)
        ended = time.perf_counter()
        start = moments[Ready.__name__]
        print(f"{outcome.finished} of {outcome.trials} trials finished")
        print(f"until torch and the data were loaded: {start - began:6.2f} s, once per study")
        wall = (ended - start) / outcome.trials * 1e3
        workers = count.workers or len(os.sched_getaffinity(0))
        own = sum(worked) / outcome.trials / workers * 1e3
        print(f"wall time per trial from then on:     {wall:6.2f} ms, of which")
        print(f"  trials' own work, over {workers} workers:   {own:6.2f} ms")
        print(f"  the sweep itself:                   {wall - own:6.2f} ms")
        began = time.perf_counter()
        build_report(Path(place) / "out")
        print(f"report:                               {time.perf_counter() - began:6.2f} s")


if __name__ == "__main__":
    main()
