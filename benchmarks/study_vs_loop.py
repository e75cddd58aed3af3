"""How much faster a study runs through prunus than as the plain script a user would write.

Runs the same recipes, rates and seeds twice in one go and prints the ratio of wall times:

- plain: one process, one trial after the other, as most pruning scripts are written: `DataLoader`,
  `torch.nn.utils.prune`, a test after each epoch, rate 0 trained for each recipe. Its channel recipe masks rows
  and does not shrink.
- prunus: `run_study` from start to end, with its processes, checkpoints and store; without exports and
  measurements, which the plain script does not do either.

The plain script's seeds run before and after the one study that has them all, so that a drift of the machine hits
both. Accuracies must agree within the spread over seeds, else the exit code is 1. One seed alone has no spread: its
accuracies are only shown.

    python benchmarks/study_vs_loop.py digits
    python benchmarks/study_vs_loop.py fashion --seeds 0 --epochs 10
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune
from torch.utils.data import DataLoader, TensorDataset

from prunus.data import load_data
from prunus.models import build_model
from prunus.prune import SCHEDULES
from prunus.spec import Recipe, Study, load_study, make
from prunus.store import read_study
from prunus.sweep.run import Options, run_study

Accuracies = dict[tuple[str, float], list[float]]
"""(recipe, rate) -> final test accuracy in percent, per seed."""


def plain_trial(study: Study, recipe: Recipe, rate: float, seed: int) -> float:
    """One trial as a user would write it. Returns the final test accuracy in percent."""
    torch.manual_seed(seed)
    dataset = load_data(study.data)
    train = TensorDataset(dataset.prepare(dataset.train.inputs), dataset.train.targets)
    test = TensorDataset(dataset.prepare(dataset.test.inputs), dataset.test.targets)
    train_loader = DataLoader(train, study.training.batch_size, shuffle=True)
    test_loader = DataLoader(test, 1000)
    model = build_model(study.model, dataset.input_shape, len(dataset.classes))
    optimizer = torch.optim.Adam(model.parameters(), study.training.learning_rate)
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    layers = layers[:-1] if "output" in recipe.protect else layers
    rates = {event.epoch: event.rate for event in make(SCHEDULES, recipe.schedule).events(rate, study.training.epochs)}
    accuracy = 0.0
    for epoch in range(1, study.training.epochs + 1):
        model.train()
        for inputs, targets in train_loader:
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
        if epoch in rates and rate > 0:
            for layer in layers:
                plain_prune(layer, recipe, rates[epoch])
        accuracy = plain_test(model, test_loader)
    return accuracy


def plain_prune(layer: nn.Module, recipe: Recipe, rate: float) -> None:
    """Prune one layer with torch's own functions; a mask that is let go is made permanent and forgotten."""
    if prune.is_pruned(layer):
        prune.remove(layer, "weight")  # zeros stay the smallest, so that the new mask holds the old one
    if recipe.pattern.name == "element":
        prune.l1_unstructured(layer, "weight", rate)
    else:
        prune.ln_structured(layer, "weight", rate, n=2, dim=0)
    if recipe.permanence == "regrow":
        prune.remove(layer, "weight")


@torch.no_grad()
def plain_test(model: nn.Module, loader: DataLoader[tuple[torch.Tensor, ...]]) -> float:
    """Test accuracy in percent."""
    model.eval()
    correct = total = 0
    for inputs, targets in loader:
        correct += int((model(inputs).argmax(1) == targets).sum())
        total += len(targets)
    return 100 * correct / total


def run_plain(study: Study, seed: int, found: Accuracies) -> None:
    """All recipes and rates of one seed, rate 0 once per recipe."""
    for recipe in study.recipes:
        for rate in study.rates:
            found.setdefault((recipe.name, rate), []).append(plain_trial(study, recipe, rate, seed))


def run_prunus(study: Study, found: Accuracies) -> None:
    """All trials of the study through prunus, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        run_study(study, Path(folder), Options())
        rows = read_study(Path(folder))
    last = {row.trial: 100 * row.test_correct / row.test_total for row in rows.epochs}
    for trial in rows.trials:
        recipes = [trial.recipe] if trial.recipe else [recipe.name for recipe in study.recipes]
        for name in recipes:
            found.setdefault((name, trial.rate), []).append(last[trial.trial])


def timed(name: str, work: Callable[[], None]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    print(f"{name:16} {seconds:8.1f} s", flush=True)
    return seconds


def agreement(study: Study, plain: Accuracies, prunus: Accuracies) -> bool:
    """Print both accuracies of every cell; they agree when they differ by no more than seeds do.

    The spread is the pooled standard deviation over seeds of both, at least that of counting (binomial).
    """
    print(f"\n{'recipe':32} {'rate':>4} {'plain %':>14} {'prunus %':>14}")
    tests = len(load_data(study.data).test)
    all_agree = True
    for cell in sorted(plain):
        a, b = plain[cell], prunus[cell]
        mean = statistics.fmean([*a, *b])
        counting = 100 * (max(mean, 1) / 100 * (1 - min(mean, 99) / 100) / tests) ** 0.5
        deviations = [statistics.stdev(values) for values in (a, b) if len(values) > 1]
        spread = max([counting, *deviations])
        difference = abs(statistics.fmean(a) - statistics.fmean(b))
        agrees = difference <= 3 * spread * (2 / len(a)) ** 0.5
        all_agree &= agrees
        columns = "".join(f"{statistics.fmean(values):9.2f} ±{spread:4.1f}" for values in (a, b))
        print(f"{cell[0]:32} {cell[1]:4g} {columns}{'   differ' if len(a) > 1 and not agrees else ''}")
    return all_agree


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", default="digits")
    parser.add_argument("--seeds", help="such as 0,1; else all that the study has")
    parser.add_argument("--epochs", type=int, help="fewer epochs than the study has")
    arguments = parser.parse_args()
    overrides = ["measurement.select=none", "controls=false"]  # the plain script runs none
    if arguments.seeds:
        overrides.append(f"seeds=[{arguments.seeds}]")
    if arguments.epochs:
        overrides.append(f"training.epochs={arguments.epochs}")
    study = load_study(arguments.study, overrides)
    found: dict[str, Accuracies] = {"plain": {}, "prunus": {}}
    plain = [(f"plain, seed {seed}", partial(run_plain, study, seed, found["plain"])) for seed in study.seeds]
    middle = (len(plain) + 1) // 2
    before = [timed(*run) for run in plain[:middle]]
    ours = timed("prunus, all seeds", partial(run_prunus, study, found["prunus"]))
    after = [timed(*run) for run in plain[middle:]]
    agrees = agreement(study, found["plain"], found["prunus"])
    print(f"\nratio plain / prunus: {sum(before + after) / ours:.2f}")
    if len(study.seeds) == 1:
        print("whether accuracies agree was not tested: one seed has no spread")
        return 0
    print(f"accuracies agree within the spread over seeds: {'yes' if agrees else 'no'}")
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())
