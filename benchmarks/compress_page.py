"""The page of figures that `benchmarks/compress.py` measured, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compress_rows import Row

from prunus.report.statistics import Interval, mean_interval
from prunus.spec import Metric, Part
from prunus.tasks import task_of

OTHERS = ("uniform magnitude", "torch-pruning group norm")
SEEDS = 3
WAYS = ("compress", *OTHERS)
Measured = Mapping[str, Any]


def page(measured: Sequence[Measured], rows: Mapping[str, Row]) -> str:
    """All rows that were measured: what they are, and what came out."""
    by_row = {name: [one for one in measured if one["row"] == name] for name in rows}
    by_row = {name: found for name, found in by_row.items() if found}
    parts = [
        "# What `prunus compress` makes of trained networks",
        "",
        *_conditions(measured),
        "",
        "## The networks",
        "",
        "| row | network, data | train, choose, test | trained | asked | budget | learning rates | epochs | unpruned |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_network(rows[name], found) for name, found in by_row.items()),
        "",
        "## What came out",
        "",
        "| row | | latency, batch 1 | batch 16 | bytes | metric to unpruned | `compress` is better by | seeds |",
        "|---|---|---|---|---|---|---|---|",
        *(line for name, found in by_row.items() for line in _outcomes(found)),
        "",
        *_reading(by_row, rows),
        "",
        "## What is missing",
        "",
        *_missing(by_row, rows),
        "",
    ]
    return "\n".join(parts)


def _conditions(measured: Sequence[Measured]) -> list[str]:
    first = measured[0]
    return [
        f"*Measured with prunus {first['prunus']} on {_all(measured, 'processor')}, {_all(measured, 'runtime')}, one "
        "thread, pinned to one core while others worked on the other one, and at times on this one.*",
        "",
        "Printed by `python benchmarks/compress.py --write docs/results/compress.md`. Every network is trained to its "
        "end first. `compress` then gets a budget of time for all that it does: timing layers, searching, training and "
        "writing. The two simpler ways cut the same network to the latency that came out of that, have the statistics "
        "of norms measured anew in the same way, and are trained for as many steps as all attempts of `compress` "
        "together, with the same teacher, learning rate and batches; they need not search for the latency. All of them "
        "are judged on the same test inputs, and timed in the same interleaved rounds; latencies are medians.",
        "",
        "Latency and bytes are shares of the unpruned network's, means over seeds. Differences of a metric are in its "
        "own unit (points of a percentage, percent of a perplexity) and positive where better, means over seeds with "
        "Student's 95 % interval from three seeds on, each seed with a training of its own; beside them stands each "
        "seed. Epochs are those after all cuts, and learning rates those that `compress` chose, of each seed. "
        "The last column says in how many seeds the test inputs tell `compress` apart from that "
        "network (jackknife, 95 %): ahead, and behind. A training that ends in a guess weighs on a mean: "
        "look at the seeds.",
    ]


def _all(measured: Sequence[Measured], key: str) -> str:
    return ", ".join(dict.fromkeys(str(one[key]) for one in measured))


def _metric(row: Row) -> Metric:
    return task_of(Part(name=row.task)).metric


def _network(row: Row, found: Sequence[Measured]) -> str:
    metric, first = _metric(row), found[0]
    values = [metric.text(one["networks"]["unpruned"]["metric"]) for one in found]
    inputs = ", ".join(f"{count:,}" for count in first["inputs"])
    asked = f"{row.target:.2f} of the latency" if row.target else f"within {row.keep:g} {_unit(metric)}"
    cells = (
        first["row"],
        row.says,
        inputs,
        f"{row.training.epochs} epochs",
        asked,
        first["budget"],
        ", ".join(f"{one['attempts'][0]['learning_rate']:g}" for one in found if one["attempts"]),
        ", ".join(f"{one['epochs']:.3g}" for one in found),
        f"{metric.name} {', '.join(values)}",
    )
    return "| " + " | ".join(cells) + " |"


def _unit(metric: Metric) -> str:
    return "%" if metric.relative else "points" if metric.unit == "%" else metric.unit or metric.name


def _outcomes(found: Sequence[Measured]) -> list[str]:
    if not any("compress" in one["networks"] for one in found):
        return [f"| {found[0]['row']} | `compress` | nothing to gain within the margin | | | | | {len(found)} |"]
    lines = []
    for way in WAYS:
        there = [one["networks"] for one in found if way in one["networks"]]
        if not there:
            lines.append(f"| {found[0]['row']} | {way} | no network that runs at this latency | | | | | |")
            continue
        cells = [found[0]["row"], f"`{way}`" if way == "compress" else way]
        cells += [_latency(there, way, size) for size in ("1", "16")]
        cells.append(_mean(one[way]["bytes"] / one["unpruned"]["bytes"] for one in there))
        cells.append(_difference([one[way]["to unpruned"][0] for one in there]))
        behind = [[-bound for bound in one[way]["to compress"]] for one in there if way != "compress"]
        cells.append(_each([one[0] for one in behind]) if behind else "")
        apart = f"{sum(one[2] > 0 for one in behind)} ahead, {sum(one[1] < 0 for one in behind)} behind"
        cells.append(f"{len(there)}" + (f": {apart}" if behind else ""))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _latency(there: Sequence[Measured], way: str, size: str) -> str:
    return _mean(one[way]["latency"][size][1] for one in there) if size in there[0][way]["latency"] else ""


def _mean(values: Any) -> str:
    interval = mean_interval(values)
    return f"{interval.mean:.3f}" if interval else ""


def _each(values: Sequence[float]) -> str:
    """The mean with its interval, and the value of each seed."""
    alone = f" ({', '.join(f'{value:+.2f}' for value in values)})" if len(values) > 1 else ""
    return _difference(values) + alone


def _difference(values: Sequence[float]) -> str:
    return _shown(mean_interval(values))


def _shown(interval: Interval | None) -> str:
    if interval is None:
        return ""
    if interval.low is None or interval.count < SEEDS:
        return f"{interval.mean:+.2f}"
    return f"{interval.mean:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]"


def _reading(by_row: Mapping[str, Sequence[Measured]], rows: Mapping[str, Row]) -> list[str]:
    """A sentence on each row: was what was asked for come to, and is `compress` ahead or behind?"""
    found = []
    for name, one in by_row.items():
        there = [each["networks"] for each in one if "compress" in each["networks"]]
        if not there:
            found.append(f"- **{name}**: {one[0]['said'][0]}")
            continue
        latency = mean_interval(each["compress"]["latency"]["1"][1] for each in there)
        lost = mean_interval(each["compress"]["to unpruned"][0] for each in there)
        assert latency is not None
        row = rows[name]
        came = f"{latency.mean:.3f} of the latency at batch 1 ({1 / latency.mean:.2f} times faster)"
        if row.target:
            off = max(abs(each["compress"]["latency"]["1"][1] / row.target - 1) for each in there)
            came += f", at most {100 * off:.1f} % off what was asked for"
        missing = "" if len(there) == len(one) else f" In {len(one) - len(there)} seeds nothing was gained."
        found.append(
            f"- **{name}**: {came}, at {_shown(lost)} {_unit(_metric(row))} on the test inputs.{missing} "
            + " ".join(_against(other, there) for other in OTHERS)
        )
    return found


def _missing(by_row: Mapping[str, Sequence[Measured]], rows: Mapping[str, Row]) -> list[str]:
    fewer = [f"{name} ({len(found)})" for name, found in by_row.items() if len(found) < SEEDS]
    absent = [f"`{name}` ({row.says})" for name, row in rows.items() if name not in by_row]
    found = (
        [f"- Fewer than {SEEDS} seeds, so that intervals are wide or there is none: {', '.join(fewer)}."]
        if fewer
        else []
    )
    found += [f"- Rows of the script that were not run: {', '.join(absent)}."] if absent else []
    return [
        *found,
        "- Seeds alike in all but their number: the machine was busy, so that equal budgets held more training for "
        "some seeds than for others, and the search was still worked on between them. With little training "
        "`compress` is far ahead of uniform magnitude, with more it is less so.",
        "- A detector. Networks, data and budgets are small, so that all of it ends within an hour on one core: "
        "nothing here says how a compression of half an hour of a network trained for hours compares.",
        "- torch-pruning is used with its group norm over the whole network at one stroke, as its examples begin; "
        "other settings of it, and other learning rates than the one given, may do better.",
    ]


def _against(other: str, there: Sequence[Measured]) -> str:
    behind = [[-bound for bound in each[other]["to compress"]] for each in there if other in each]
    if not behind:
        return f"{other.capitalize()} has no network that runs at this latency."
    ahead, lost = sum(one[2] > 0 for one in behind), sum(one[1] < 0 for one in behind)
    told = f"It is told from {other} on the test inputs in {ahead + lost} of {len(behind)} seeds"
    parts = [f"ahead in {ahead}"] * bool(ahead) + [f"behind in {lost}"] * bool(lost)
    interval = mean_interval(one[0] for one in behind)
    assert interval is not None
    if interval.low is None or interval.high is None or interval.count < SEEDS:
        return f"{', '.join([told, *parts])}."
    shown = "is not shown" if interval.low <= 0 <= interval.high else "is shown"
    return f"{', '.join([told, *parts])}; a difference over seeds {shown}."
