"""How long one run takes: variants side by side, in interleaved rounds of one process."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter_ns

from prunus.errors import InputError
from prunus.measure._runtime import Run, blamed, runtime_of
from prunus.measure.variant import Variant
from prunus.system.process_wide import without_garbage_collection

FEWEST_ROUNDS = 30
Progress = Callable[[int, int], None]
"""(rounds done, rounds in all, warm-up included)"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One timed run. Samples of equal `round` ran side by side.

    Attributes:
        variant: the name of the network.
        round: counted from 0, warm-up left out.
        latency_ms: of the whole batch, in milliseconds.
    """

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

    Args:
        variants: name -> network, as files of the format that the runtime takes.
        runtime: a registered name; `prunus list runtimes`.
        batch_size: inputs of one run; a latency is that of the whole batch.
        threads: of the runtime.
        rounds: timed runs of each variant, 30 at least.
        warmup: rounds before, 1 at least.
        progress: is called with the rounds done and the rounds in all, warm-up included.

    Returns:
        One sample a variant and round, with its latency in milliseconds.

    Raises:
        InputError: fewer than 30 rounds, an unknown runtime, or a missing file.
        MissingError: the runtime is not installed.

    Example:
        >>> import torch
        >>> from tempfile import TemporaryDirectory
        >>> from prunus.export import write_safetensors
        >>> from prunus.measure.variant import ModelBuilder
        >>> builder = ModelBuilder(function="torch.nn:Linear", arguments={"in_features": 4, "out_features": 2})
        >>> with TemporaryDirectory() as folder:
        ...     file = write_safetensors(torch.nn.Linear(4, 2), f"{folder}/dense.safetensors")
        ...     dense = Variant(input_shape=(4,), files={"safetensors": file.path}, builder=builder)
        ...     samples = measure_latency({"dense": dense}, runtime="torch", batch_size=1, rounds=30)
        >>> len(samples), all(sample.latency_ms > 0 for sample in samples)
        (30, True)
    """
    if rounds < FEWEST_ROUNDS or warmup < 1 or min(batch_size, threads) < 1:
        raise InputError(
            f"Latency cannot be measured in {rounds} rounds after {warmup} of warm-up",
            f"a median and a 95th percentile need at least {FEWEST_ROUNDS}, after one or more",
            "ask for more rounds",
        )
    chosen = runtime_of(runtime)
    with blamed(runtime), chosen.limited(threads):
        runs = {
            name: chosen.load(variant, variant.random_inputs(batch_size), threads) for name, variant in variants.items()
        }
        return measure_runs(runs, rounds=rounds, warmup=warmup, progress=progress)


def measure_runs(
    runs: Mapping[str, Run], *, rounds: int = 40, warmup: int = 5, progress: Progress | None = None
) -> tuple[Sample, ...]:
    """As `measure_latency`, of what is loaded already, on one runtime or on several."""
    gc.collect()
    with without_garbage_collection():
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
