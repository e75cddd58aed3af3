"""How long one run takes: variants side by side, in interleaved rounds of one process."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter_ns

from prunus.errors import InputError
from prunus.measure.runtime import Run, runtime_of
from prunus.measure.variant import Variant, random_inputs
from prunus.pauses import without_pauses

FEWEST_ROUNDS = 30
Progress = Callable[[int, int], None]
"""(rounds done, rounds in all, warm-up included)"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One timed run. Samples of equal `round` ran side by side."""

    variant: str
    round: int
    latency_ms: float


def measure_latency(
    variants: Mapping[str, Variant],
    *,
    runtime: str,
    batch_size: int,
    threads: int = 1,
    rounds: int = 40,
    warmup: int = 5,
    progress: Progress | None = None,
) -> tuple[Sample, ...]:
    """Time each variant once per round, on the same random inputs, after `warmup` rounds that do not count.

    Within a round the order is shuffled, so that no variant always follows the same other; each timed run is preceded
    by an untimed one, so that what others left in the caches does not count. Garbage is not collected meanwhile.

    Raises `InputError` for fewer than 30 rounds, an unknown runtime or a missing file, `MissingError` for a runtime
    that is not there.
    """
    if rounds < FEWEST_ROUNDS or warmup < 1 or min(batch_size, threads) < 1:
        raise InputError(
            f"Latency cannot be measured in {rounds} rounds after {warmup} of warm-up",
            f"a median and a 95th percentile need at least {FEWEST_ROUNDS}, after one or more",
            "ask for more rounds",
        )
    chosen = runtime_of(runtime)
    with chosen.limited(threads):
        runs = {
            name: chosen.load(variant, random_inputs(variant.input_shape, batch_size), threads)
            for name, variant in variants.items()
        }
        gc.collect()
        with without_pauses():
            return tuple(_rounds(runs, rounds, warmup, progress or (lambda *_: None)))


def _rounds(runs: Mapping[str, Run], rounds: int, warmup: int, progress: Progress) -> Iterator[Sample]:
    shuffle = random.Random(0).shuffle  # noqa: S311
    order = list(runs)
    for done in range(-warmup, rounds):
        progress(done + warmup, rounds + warmup)
        shuffle(order)
        times = {name: _time(runs[name]) for name in order}
        if done >= 0:
            yield from (Sample(name, done, nanoseconds / 1e6) for name, nanoseconds in times.items())
    progress(rounds + warmup, rounds + warmup)


def _time(run: Run) -> int:
    """Nanoseconds of one run just after another."""
    run()
    start = perf_counter_ns()
    run()
    return perf_counter_ns() - start
