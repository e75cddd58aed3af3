"""What training on the shrunk network saves: the recipe `structured` with and without it, in turns.

python benchmarks/shrunk_training.py --rates 0.2,0.4,0.6,0.8
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", default="digits")
    parser.add_argument("--rates", default="0.2,0.4,0.6,0.8")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    from prunus.spec import builtin_studies, load_study
    from prunus.sweep.loaded import Loaded

    assert options.study in builtin_studies()
    loaded = Loaded.of(load_study(options.study))
    print(f"{options.study}, {options.epochs} epochs, one thread, {options.rounds} rounds\n")
    print("| rate | masked, s | shrunk, s | times faster |")
    print("|---|---|---|---|")
    for rate in map(float, options.rates.split(",")):
        times = [
            [_train(loaded, rate, options.epochs, small) for small in (False, True)] for _ in range(options.rounds)
        ]
        masked, small = (statistics.median(column) for column in zip(*times, strict=True))
        faster = statistics.median(one / other for one, other in times)
        print(f"| {rate:g} | {masked:.2f} | {small:.2f} | {faster:.2f} |", flush=True)


def _train(loaded: Any, rate: float, epochs: int, shrinking: bool) -> float:
    """Seconds of one training, pruning and testing after each epoch included."""
    from prunus.sweep.trial import begin
    from prunus.train import train

    trial = next(
        one for one in loaded.trials.values() if one.recipe and one.recipe.name == "structured" and one.rate == rate
    )
    training = trial.training.model_copy(update={"epochs": epochs, "threads": 1})
    scope = loaded.scopes[trial.recipe]
    scope = scope if shrinking else replace(scope, cutter=None)
    state = begin(trial.model_copy(update={"training": training}), loaded.dataset, scope)
    began = time.perf_counter()
    train(state, loaded.dataset, training, seed=trial.seed)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
