"""The page docs/results/zoo.md, from what `zoo.py` wrote.

    python benchmarks/zoo_report.py zoo.csv ... > docs/results/zoo.md

Of a network that stands in several files, the last one counts.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

TITLES = {
    "torchvision": "torchvision, classification",
    "timm": "timm, one small network of each family",
    "transformers": "transformers, small configurations",
}
TITLE = "# How far channel pruning reaches"
INTRODUCTION = (
    "Printed by `python benchmarks/zoo_report.py` from the rows of `benchmarks/zoo.py`. Each network had "
    "a process of its own, on one thread of a machine with two cores of an AMD Zen 4 processor and other work on "
    "both, and random weights, and was to lose 50 % of its channels. *Done*: the same output shape, at most 75 % of "
    "the MACs, proven equal to the masked network, saved and loaded with identical outputs, and one training step ran. "
    "*Refused*: an error on purpose, which names the operation. *Failed*: all else. Seconds are of processor time for "
    "the whole first call: tracing, planning, cutting, proving and counting; what both tools import is behind them."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    rows = {row["network"]: row for path in parser.parse_args().files for row in _read(path)}
    print(f"{TITLE}\n\n{INTRODUCTION}\n")
    for source, title in TITLES.items():
        some = [row for row in rows.values() if row["network"].startswith(source + ":")]
        if some:
            print(f"## {title}\n\n{summary(some)}\n\n{_table(some)}\n")


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def summary(rows: list[dict[str, Any]]) -> str:
    """How many came out how, beside torch-pruning where it ran, and how the times compare where both can do it."""
    lines = [f"prunus: {_shares(rows, 'outcome')} of {len(rows)}."]
    if compared := [row for row in rows if row.get("peer")]:
        lines.append(f"torch-pruning, in its default use: {_shares(compared, 'peer')} of {len(compared)}.")
    both = [row for row in compared if row["outcome"] == row["peer"] == "done"]
    if both:
        ours, theirs = (sum(float(row[column]) for row in both) for column in ("seconds", "peer_seconds"))
        ratios = sorted(float(row["seconds"]) / max(float(row["peer_seconds"]), 0.01) for row in both)
        lines.append(
            f"Of the {len(both)} that both can do, prunus took {statistics.median(ratios):.1f} times torch-pruning's "
            f"time at the median ({ratios[0]:.1f} to {ratios[-1]:.1f}), and in all {ours:.1f} s against {theirs:.1f}, "
            f"{ours / theirs:.1f} times; torch-pruning proves nothing."
        )
    return " ".join(lines)


def _shares(rows: list[dict[str, Any]], column: str) -> str:
    counts = Counter(row[column] for row in rows)
    return ", ".join(f"{outcome} {count} ({count / len(rows):.0%})" for outcome, count in counts.most_common())


def _table(rows: list[dict[str, str]]) -> str:
    peer = any(row.get("peer") for row in rows)
    head = ["network", "parameters", "outcome", "MACs left", "deviation", "form", "s", *(["torch-pruning", "s"] * peer)]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in sorted(rows, key=lambda row: row["network"]):
        outcome = row["outcome"] + (f": {row['why'][:120]}" if row["why"] else "")
        cells = [row["network"].split(":")[1], _thousands(row["parameters"]), outcome, _percent(row["macs_ratio"])]
        cells += [row["deviation"], row["form"], row["seconds"]]
        cells += [row.get("peer", ""), row.get("peer_seconds", "")] * peer
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines)


def _thousands(number: str) -> str:
    return f"{int(number):,}" if number else ""


def _percent(ratio: str) -> str:
    return f"{float(ratio):.1%}" if ratio else ""


if __name__ == "__main__":
    main()
