"""Seconds of the processor, children included, that loading a saved engine takes beside building it from a file.

Each step is timed in a process of its own, after the libraries are imported: building; loading for the first time on a
machine, where a model for ONNX Runtime is rehearsed; and loading again.

    python benchmarks/load_time.py silero_vad.onnx --shape input=1,512 --shape state=2,1,128
    python benchmarks/load_time.py common_old.onnx --shape input1=1,1,64,200 --rounds 5
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

STEP = """
import os, sys
import numpy, onnx, onnxruntime, prunus.sparse
from prunus.sparse import from_onnx, load
def spent():
    return sum(os.times()[:4])
step, source, packed, shapes = sys.argv[1], sys.argv[2], sys.argv[3], eval(sys.argv[4])
before = spent()
engine = from_onnx(source, shapes=shapes) if step == "build" else load(packed)
print(spent() - before)
if step == "build":
    engine.save(packed)
"""


def seconds(step: str, source: Path, packed: Path, shapes: dict[str, tuple[int, ...]], cache: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-c", STEP, step, str(source), str(packed), repr(shapes)],
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def measure(source: Path, shapes: dict[str, tuple[int, ...]], rounds: int) -> None:
    found: dict[str, list[float]] = {"build": [], "first": [], "again": []}
    for _ in range(rounds):
        with TemporaryDirectory() as folder:
            packed, built, moved = Path(folder) / "a.prunus", Path(folder) / "built", Path(folder) / "moved"
            for step, cache in (("build", built), ("first", moved), ("again", moved)):
                found[step].append(seconds(step, source, packed, shapes, cache))
    build, first, again = (statistics.median(found[step]) for step in found)
    print(f"{source.name}: built in {build:.2f} s; loaded first in {first:.2f} s ({first / build:.2f}), ", end="")
    print(f"again in {again:.2f} s ({again / build:.2f})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--shape", action="append", default=[], metavar="INPUT=1,2,3")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    given = (text.split("=", 1) for text in chosen.shape)
    shapes = {name: tuple(map(int, sizes.split(","))) for name, sizes in given}
    for file in chosen.files:
        measure(file, shapes, chosen.rounds)


if __name__ == "__main__":
    main()
