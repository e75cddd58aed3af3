"""The published curves of the reference experiment (docs/reference_experiment.md)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

FAMILY = {"element": "unstructured", "row": "structured", "channel": "structured"}
"""Which of the reference experiment's two kinds a pattern is of."""


@dataclass(frozen=True, slots=True)
class ReferenceCurve:
    """Test accuracy (a share) after each epoch, one seed, VGG11 on SVHN."""

    family: str
    rate: float
    epochs: tuple[int, ...]
    accuracy: tuple[float, ...]


@cache
def reference_curves() -> tuple[ReferenceCurve, ...]:
    """All published curves, by kind and rate."""
    text = (files("prunus.report") / "reference_curves.csv").read_text(encoding="utf-8")
    found: dict[tuple[str, float], list[tuple[int, float]]] = {}
    for row in csv.DictReader(text.splitlines()):
        point = int(row["epoch"]), int(row["test_correct"]) / int(row["test_total"])
        found.setdefault((row["pattern"], float(row["rate"])), []).append(point)
    return tuple(
        ReferenceCurve(family, rate, tuple(epoch for epoch, _ in points), tuple(share for _, share in points))
        for (family, rate), points in found.items()
    )
