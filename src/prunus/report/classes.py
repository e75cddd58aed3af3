"""What final networks make of each class: classes they cannot or do not predict, balanced accuracy, ceilings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from prunus.report.content import Block, Chart, Paragraph
from prunus.report.drawing import Drawing, drawn_recipes, key, label, legend, new_figure
from prunus.report.findings import Cell, Findings, once_per_study
from prunus.report.forms import COUNT, PERCENT, TEXT
from prunus.report.names import visible
from prunus.report.palette import DRAWN, Palette
from prunus.report.statistics import mean
from prunus.report.tables import RECIPE_AND_RATE, Table, table_of
from prunus.report.words import percent
from prunus.store.rows import ClassRow, TrialRow


@dataclass(frozen=True)
class CutOffInfo:
    """One trial whose output layer has empty rows. Accuracies are shares."""

    recipe: str | None
    rate: float
    seed: int
    classes: tuple[str, ...]  # whose output row is all zero
    of_classes: int
    ceiling: float | None
    accuracy: float | None
    winner: str | None  # the class with an empty row that the network still predicts, by its bias


@dataclass(frozen=True)
class NeverPredictedInfo:
    """One trial that never predicts some classes although their output rows are whole."""

    recipe: str | None
    rate: float
    seed: int
    classes: tuple[str, ...]


@dataclass(frozen=True)
class OneClassInfo:
    """One trial that calls every test input the same, although there are several classes. Accuracies are shares."""

    recipe: str | None
    rate: float
    seed: int
    predicted: str
    accuracy: float
    balanced: float


def balanced_accuracy(classes: Iterable[ClassRow]) -> float | None:
    """Mean over classes of the share (recall) that is predicted rightly; classes without test inputs are left out.

    >>> balanced_accuracy([ClassRow("t", 0, "a", 90, 100, 90, False), ClassRow("t", 1, "b", 10, 0, 0, False)])
    0.5
    """
    return mean(row.correct_count / row.test_count for row in classes if row.test_count > 0)


@once_per_study
def balanced_accuracies(findings: Findings) -> dict[str, float]:
    """The balanced accuracy of every trial that has its classes on record."""
    found = {trial: balanced_accuracy(rows) for trial, rows in findings.class_rows.items()}
    return {trial: value for trial, value in found.items() if value is not None}


@once_per_study
def largest_class(findings: Findings) -> tuple[str, float] | None:
    """The name and the share of the test class of most inputs; None without classes on record."""
    rows = next((rows for rows in findings.class_rows.values() if sum(row.test_count for row in rows) > 0), None)
    if rows is None:
        return None
    largest = max(rows, key=lambda row: row.test_count)
    return largest.class_name, largest.test_count / sum(row.test_count for row in rows)


def is_unbalanced(findings: Findings) -> bool:
    """Whether the largest test class has at least twice the share that it had if all were as large."""
    largest = largest_class(findings)
    classes = max((sum(row.test_count > 0 for row in rows) for rows in findings.class_rows.values()), default=0)
    return largest is not None and classes > 1 and largest[1] >= min(2 / classes, 0.75)


@once_per_study
def one_class_info(findings: Findings) -> tuple[OneClassInfo, ...]:
    """Every finished trial that predicts one class alone, in the order of the study."""
    found = []
    for cell, trial, rows in _finished(findings):
        predicted = [row for row in rows if row.predicted_count > 0]
        balanced = balanced_accuracy(rows)
        if len(predicted) == 1 and sum(row.test_count > 0 for row in rows) > 1 and balanced is not None:
            accuracy = predicted[0].correct_count / sum(row.test_count for row in rows)
            found.append(OneClassInfo(cell.recipe, cell.rate, trial.seed, predicted[0].class_name, accuracy, balanced))
    return tuple(found)


def accuracy_ceiling(classes: Iterable[ClassRow]) -> float | None:
    """Highest accuracy (a share) that a network with these output rows can reach; None without test inputs.

    A class whose output row is all zero has the same score, its bias, for every input. Of all such classes only the
    one with the largest bias can ever have the highest score, so at most one of them is still predicted. At best that
    is the largest one: the ceiling is the test inputs of all whole classes, plus those of the largest empty one, over
    all test inputs.
    """
    rows = list(classes)
    total = sum(row.test_count for row in rows)
    if total <= 0:
        return None
    whole = sum(row.test_count for row in rows if not row.output_row_zero)
    return (whole + max((row.test_count for row in rows if row.output_row_zero), default=0)) / total


@once_per_study
def cut_off_info(findings: Findings) -> tuple[CutOffInfo, ...]:
    """Every finished trial with at least one empty output row, in the order of the study."""
    found = []
    for cell, trial, rows in _finished(findings):
        if empty := [row for row in rows if row.output_row_zero]:
            winner = next((row.class_name for row in empty if row.predicted_count > 0), None)
            names = tuple(row.class_name for row in empty)
            ceiling, accuracy = accuracy_ceiling(rows), _accuracy(findings, trial)
            found.append(CutOffInfo(cell.recipe, cell.rate, trial.seed, names, len(rows), ceiling, accuracy, winner))
    return tuple(found)


@once_per_study
def never_predicted_info(findings: Findings) -> tuple[NeverPredictedInfo, ...]:
    """Every finished trial that never calls some class whose output row is whole."""
    found = []
    for cell, trial, rows in _finished(findings):
        whole = [row for row in rows if not row.output_row_zero and row.test_count > 0]
        if names := tuple(row.class_name for row in whole if row.predicted_count == 0):
            found.append(NeverPredictedInfo(cell.recipe, cell.rate, trial.seed, names))
    return tuple(found)


def _finished(findings: Findings) -> Iterator[tuple[Cell, TrialRow, tuple[ClassRow, ...]]]:
    """Every finished trial with its classes, in the order of the study."""
    for cell in findings.all_cells:
        for trial in cell.finished:
            yield cell, trial, findings.class_rows.get(trial.trial, ())


def _accuracy(findings: Findings, trial: TrialRow) -> float | None:
    """The final accuracy of a trial, also where the study's metric is another."""
    if findings.metric.is_accuracy:
        return findings.final_metric.get(trial.trial)
    return findings.accuracy_by_classes(trial.trial)


def cut_off_table(findings: Findings) -> Table:
    """A row per trial with empty output rows."""
    return table_of(
        "cut-off-classes",
        "Output rows that were pruned",
        cut_off_info(findings),
        (
            *RECIPE_AND_RATE,
            ("seed", COUNT, None, lambda info: info.seed),
            ("empty rows", TEXT, None, lambda info: f"{len(info.classes)} of {info.of_classes}"),
            ("their classes", TEXT, None, _names),
            ("still predicted by its bias", TEXT, None, lambda info: info.winner),
            ("ceiling, %", PERCENT, "computed", lambda info: info.ceiling),
            ("accuracy, %", PERCENT, "measured", lambda info: info.accuracy),
        ),
        folded=True,
    )


def never_predicted_table(findings: Findings) -> Table:
    """A row per trial that never predicts a class it could."""
    return table_of(
        "never-predicted",
        "Classes with whole output rows that are never predicted",
        never_predicted_info(findings),
        (
            *RECIPE_AND_RATE,
            ("seed", COUNT, None, lambda info: info.seed),
            ("classes", TEXT, None, _names),
        ),
        folded=True,
    )


def _names(info: CutOffInfo | NeverPredictedInfo) -> str:
    return ", ".join(visible(name, 60) for name in info.classes)


def draw(cut: tuple[CutOffInfo, ...], palette: Palette) -> Drawing:
    """One bar per trial up to its ceiling, and its accuracy as a mark in it."""
    figure, (axes,) = new_figure(760, 270)
    figure.subplots_adjust(left=0.068, right=0.985, top=0.96, bottom=0.27)
    titles: dict[str, str] = {}
    groups: dict[tuple[str | None, float], list[float]] = {}
    x, previous = 0.0, None
    for info in cut:
        cell = (info.recipe, info.rate)
        x += 1.0 if cell == previous else 1.8
        previous = cell
        groups.setdefault(cell, []).append(x)
        group = f"series-{len(titles)}"
        if info.ceiling is not None:
            axes.bar(x, 100 * info.ceiling, width=0.86, color=DRAWN["grid"], zorder=1)
            axes.plot([x - 0.43, x + 0.43], [100 * info.ceiling] * 2, color=DRAWN["muted"], linewidth=1.4)
        if info.accuracy is not None:
            axes.plot([x], [100 * info.accuracy], palette.marker(info.recipe), color=palette.rate(info.rate),
                      markersize=6.5, gid=group, zorder=3)  # fmt: skip
        titles[group] = (
            f"{label(info.recipe, 60)}, rate {info.rate:g}, seed {info.seed}: {percent(info.accuracy)}, "
            f"ceiling {percent(info.ceiling)}"
        )
    names = [f"{rate:g}\n{label(recipe or 'unpruned', 24)}" for recipe, rate in groups]
    axes.set_xticks([sum(xs) / len(xs) for xs in groups.values()], names)
    axes.set_ylim(0, 102)
    axes.set_xlim(0.8, x + 1)
    axes.grid(visible=False, axis="x")
    axes.set_ylabel("test accuracy, %")
    keys = [
        key("ceiling by class sizes", DRAWN["muted"], linestyle="-", linewidth=1.4),
        key("what one seed reached", DRAWN["ink"], marker="o"),
    ]
    legend(figure, keys, 0.055, 0, 2, columnspacing=2, handletextpad=0.8)
    return Drawing(figure, titles)


MOST_BARS = 60


def class_blocks(findings: Findings) -> tuple[Block, ...]:
    """Classes that can no longer be predicted, what that costs, and classes that never are."""
    blocks: list[Block] = []
    if not cut_off_info(findings):
        text = (
            "No finished trial has an empty output row."
            if findings.rows.classes
            else "No trial has its classes on record."
        )
        blocks.append(Paragraph(text, "note"))
    else:
        blocks.append(
            Paragraph(
                "A class whose output row is all zero gets the same score, its bias, for every input. Of all such "
                "classes only the one with the largest bias can ever score highest, so at most one of them is "
                "still predicted; at best that is the one with most test inputs. The ceiling is therefore the "
                "test inputs of all whole classes plus those of the largest empty one, over all test inputs. It "
                "holds whatever the other layers learn."
            )
        )
        recipes = (None, *drawn_recipes(findings))
        drawn = tuple(info for info in cut_off_info(findings) if info.recipe in recipes and info.ceiling is not None)[
            :MOST_BARS
        ]
        table = cut_off_table(findings)
        blocks.append(_ceiling_chart(drawn, table) if drawn else table)
    if never_predicted_info(findings):
        blocks.append(never_predicted_table(findings))
    return tuple(blocks)


def _ceiling_chart(drawn: tuple[CutOffInfo, ...], table: Table) -> Chart:
    return Chart(
        name="ceilings",
        title="Accuracy that empty output rows leave, and what was reached",
        description="A bar per trial with empty output rows up to the accuracy that its class sizes allow, and a "
        "mark at the accuracy it reached. The table has the numbers.",
        draw=partial(draw, drawn),
        table=table,
        caption="A bar per seed.",
    )
