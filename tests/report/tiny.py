"""A study small enough to work out by hand: two seeds, unpruned (`u0`, `u1`) and structured at 0.5 (`s0`, `s1`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prunus.report.findings import Findings
from prunus.spec import load_study
from prunus.store import CostRow, EpochRow, LayerRow, StudyRows, TrialRow

STUDY = load_study("digits", ['recipes=["structured"]', "rates=[0,0.5]", "seeds=[0,1]", "training.epochs=3"])


def trial(name: str, status: str = "finished", **changes: Any) -> TrialRow:
    """The trial of that name."""
    pruned = name.startswith("s")
    values: dict[str, Any] = {
        "trial": name,
        "position": ["u0", "s0", "u1", "s1"].index(name),
        "in_study": True,
        "recipe": "structured" if pruned else None,
        "pattern": "channel" if pruned else None,
        "rate": 0.5 if pruned else 0.0,
        "seed": int(name[1]),
        "status": status,
        "attempts": 1,
        "error_kind": None,
        "error": None,
        "seconds": 1.0,
        "checkpoint_epoch": None,
    }
    return TrialRow(**(values | changes))


ALL = tuple(trial(name) for name in ("u0", "s0", "u1", "s1"))


def epochs(name: str, *correct: int, total: int = 1000) -> tuple[EpochRow, ...]:
    """One row per epoch, with so many correct answers."""
    return tuple(
        EpochRow(name, number, 1.0, 1.0, count, total, 0.5, 1e-3, 0.1) for number, count in enumerate(correct, start=1)
    )


def cost(name: str, weights: int, nonzero: int, **changes: Any) -> CostRow:
    """A network of one layer at one position, in fp32; ten biases."""
    values: dict[str, Any] = {
        "trial": name,
        "parameters": weights + 10,
        "nonzero_parameters": nonzero + 10,
        "prunable_weights": weights,
        "nonzero_weights": nonzero,
        "dense_macs": weights,
        "effective_macs": nonzero,
        "dense_bops": 1024 * weights,
        "effective_bops": 1024 * nonzero,
        "shrunk": False,
        "shrink_deviation": None,
        "not_counted": "[]",
    }
    return CostRow(**(values | changes))


def layer(name: str, position: int, weights: int, nonzero: int, units: int, empty: int, **changes: Any) -> LayerRow:
    """A layer called `l<position>`, asked for half."""
    values: dict[str, Any] = {
        "trial": name,
        "position": position,
        "layer": f"l{position}",
        "kind": "linear",
        "protected": False,
        "output": False,
        "rate": 0.5 if name.startswith("s") else None,
        "weights": weights,
        "nonzero_weights": nonzero,
        "units": units,
        "empty_units": empty,
        "dense_macs": weights,
        "effective_macs": nonzero,
        "dense_bops": 1024 * weights,
        "effective_bops": 1024 * nonzero,
    }
    return LayerRow(**(values | changes))


def rows(trials: tuple[TrialRow, ...] = ALL, **tables: Any) -> StudyRows:
    """The study with these tables; the others are empty."""
    names = (
        "epochs",
        "costs",
        "layers",
        "classes",
        "files",
        "latencies",
        "memories",
        "problems",
        "sessions",
        "metrics",
    )
    return StudyRows(
        folder=Path("study"), study=STUDY, trials=trials, **{name: tuple(tables.get(name, ())) for name in names}
    )


def grid(trials: tuple[TrialRow, ...] = ALL, **tables: Any) -> Findings:
    """The same, ready to be looked up."""
    return Findings(rows(trials, **tables))
