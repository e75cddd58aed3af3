"""`make fuzz`: each reader in turn, in a process of its own, for so many minutes.

With atheris (libFuzzer), inputs that reach new lines of prunus are kept and changed further; without, whole inputs are
changed at random. Both end at the first input that is no error of ours, takes too long or too much memory, or kills the
process, and leave it in `build/fuzz/findings`. Put it into `tests/fuzz/corpus/READER`, where a test reads it from then
on, and mend what it found.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

GROWN = Path("build/fuzz")
SECONDS_PER_INPUT, ROOM_MIB = 30, 4096


def main() -> int:
    """Fuzz the readers that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m fuzz")
    parser.add_argument("readers", nargs="*")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--one", action="store_true", help="in this very process")
    asked = parser.parse_args()
    if asked.one:
        return fuzz(asked.readers[0], asked.minutes * 60)
    failed = []
    for reader in asked.readers or names():
        began = time.monotonic()
        command = [sys.executable, "-m", "fuzz", "--one", "--minutes", str(asked.minutes), reader]
        log = GROWN / f"{reader}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as file:
            code = subprocess.run(command, stdout=file, stderr=file, check=False).returncode
        failed += [reader] * bool(code)
        print(f"{reader}: {'FOUND SOMETHING' if code else 'nothing found'} in {time.monotonic() - began:.0f} s; {log}")
    return bool(failed)


def names() -> list[str]:
    """All readers."""
    from fuzz.targets import TARGETS

    return list(TARGETS)


def fuzz(reader: str, seconds: float) -> int:
    """Fuzz one reader; returns or ends with something else than 0 where it found something."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        import atheris
    except ImportError:
        return at_random(reader, seconds)
    with atheris.instrument_imports(include=["prunus"]):
        from fuzz.targets import MOST_BYTES, TARGETS

    target, grown, findings = TARGETS[reader], GROWN / reader, GROWN / "findings"
    for folder in (grown, findings):
        folder.mkdir(parents=True, exist_ok=True)
    whole = target.inputs(reader)
    for number, content in enumerate(whole):
        (grown / f"seed-{number}").write_bytes(content)

    from fuzz.mutating import mutated

    def change(content: bytes, most_bytes: int, seed: int) -> bytes:
        return target.refit(mutated(content, whole, random.Random(seed), most_bytes))

    with TemporaryDirectory() as place:
        options = [f"-max_total_time={seconds:.0f}", f"-timeout={SECONDS_PER_INPUT}", f"-rss_limit_mb={ROOM_MIB}",
                   f"-max_len={max(MOST_BYTES, *map(len, whole))}", f"-artifact_prefix={findings}/{reader}-",
                   "-print_final_stats=1", str(grown)]  # fmt: skip
        atheris.Setup([sys.argv[0], *options], lambda content: target.try_one(content, Path(place)),
                      custom_mutator=change, enable_python_coverage=True)  # fmt: skip
        atheris.Fuzz()
    return 0


def at_random(reader: str, seconds: float) -> int:
    """Without coverage: change whole inputs; the input at hand lies in the folder of findings while it is read."""
    from fuzz.mutating import mutated
    from fuzz.targets import MOST_BYTES, TARGETS

    target, draw = TARGETS[reader], random.Random(time.time_ns())
    whole, give_up, count = target.inputs(reader), time.monotonic() + seconds, 0
    at_hand = GROWN / "findings" / f"{reader}-{os.getpid()}"
    at_hand.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as place:
        while time.monotonic() < give_up:
            content = target.refit(mutated(draw.choice(whole), whole, draw, MOST_BYTES))
            at_hand.write_bytes(content)
            target.try_one(content, Path(place))
            count += 1
    at_hand.unlink()
    print(f"{count} inputs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
