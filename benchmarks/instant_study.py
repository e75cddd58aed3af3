"""The study of trials that take no time, by which the sweep itself is measured."""

from __future__ import annotations

from pathlib import Path

INSTANT = """
data = "digits"
model = { name = "mlp", hidden = [1] }
rates = [0.5]
controls = false
recipes = ["unstructured"]
[training]
epochs = 0
[measurement]
select = "none"
"""
"""A trial trains for no epoch, and its perceptron has one hidden unit."""

TRIALS_PER_SEED = 2  # unpruned and pruned


def write_instant(path: Path, trials: int, more: str = "") -> Path:
    """A study's file with so many instant trials; more: further tables of it."""
    path.write_text(f"seeds = {list(range(trials // TRIALS_PER_SEED))}\n{INSTANT}{more}")
    return path
