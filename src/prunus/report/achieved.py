"""What was asked for beside what was achieved: rates, and costs that recipes were to come to."""

from __future__ import annotations

from dataclasses import dataclass

from prunus.report.content import Block, Paragraph
from prunus.report.findings import Cell, Findings, once_per_study
from prunus.report.forms import NAME, PERCENT, RATE, TEXT, Number
from prunus.report.latencies import LatencyInfo, Setting, latency_of
from prunus.report.provenance import provenance_info
from prunus.report.recipes import RecipeTarget
from prunus.report.sizes import mean_sizes
from prunus.report.statistics import mean, ratio
from prunus.report.tables import RECIPE_AND_RATE, Table, table_of
from prunus.report.words import first_of, recipe_name
from prunus.store.rows import LayerRow, TrialRow

UNIT_PATTERNS = ("row", "channel")
"""Patterns whose rate is a share of units (output rows), not of weights."""

UNITS = ("weights", "units")
NOT_ACHIEVED = 0.02
"""A rate counts as not achieved when it is missed by more than this."""


@dataclass(frozen=True)
class AchievedInfo:
    """One cell: shares (0 to 1) removed or zero, against the unpruned network. None where nothing is known."""

    recipe: str | None
    rate: float
    unit: str  # what the rate counts: `weights` or `units`; `macs` and the like where a target takes its place
    in_asked_layers: float | None  # share of those units that are gone or zero in the layers that were asked
    weights_in_asked_layers: float | None  # share of their weights, whatever the unit
    sparsity: float | None  # of all prunable weights, protected layers included
    parameters: float | None  # zero or gone
    macs: float | None
    bops: float | None
    bytes: float | None  # of the written file, measured

    @property
    def missed(self) -> bool:
        """The rate was not achieved, by more than 2 points; where a target takes its place, that one counts."""
        return (
            self.unit in UNITS
            and self.in_asked_layers is not None
            and abs(self.in_asked_layers - self.rate) > NOT_ACHIEVED
        )


@once_per_study
def achieved_info(findings: Findings) -> tuple[AchievedInfo, ...]:
    """All cells but the control."""
    return tuple(_achieved(findings, cell) for cell in findings.cells)


def _achieved(findings: Findings, cell: Cell) -> AchievedInfo:
    patterns = {trial.pattern for trial in cell.trials}
    by_units = bool(patterns & set(UNIT_PATTERNS))
    target = next((one.target for one in findings.recipes if one.name == cell.recipe), None)
    weights = mean(_gone(findings, trial, units=False) for trial in cell.finished)
    units = mean(_gone(findings, trial, units=True) for trial in cell.finished)
    return AchievedInfo(
        recipe=cell.recipe,
        rate=cell.rate,
        unit=target.kind if target else "units" if by_units else "weights",
        in_asked_layers=units if by_units else weights,
        weights_in_asked_layers=weights,
        sparsity=sparsity(findings, cell),
        parameters=_less(findings, cell, "nonzero_parameters", "parameters"),
        macs=_less(findings, cell, "effective_macs", "dense_macs"),
        bops=_less(findings, cell, "effective_bops", "dense_bops"),
        bytes=_bytes_less(findings, cell),
    )


def sparsity(findings: Findings, cell: Cell) -> float | None:
    """Share of the unpruned network's prunable weights that is zero or gone; of the last epoch without any cost."""
    weights = findings.mean_cost(findings.control, lambda row: row.prunable_weights)
    if weights is None:
        weights = findings.mean_cost(cell, lambda row: row.prunable_weights)
    share = ratio(findings.mean_cost(cell, lambda row: row.nonzero_weights), weights)
    if share is not None:
        return 1 - share
    return mean(findings.final_sparsity.get(trial.trial) for trial in cell.finished)


def gone_of_layer(layer: LayerRow, unpruned: LayerRow | None, *, units: bool) -> float | None:
    """Share of a layer's weights (or output rows) that is zero or was cut away."""
    before = unpruned or layer
    if units:
        left = ratio(layer.units - layer.empty_units, before.units)
    else:
        left = ratio(layer.nonzero_weights, before.weights)
    return None if left is None else 1 - left


def _gone(findings: Findings, trial: TrialRow, *, units: bool) -> float | None:
    """Share of all weights (or output rows) of the trial's asked layers that is zero or was cut away."""
    asked = [layer for layer in findings.layer_rows.get(trial.trial, ()) if layer.rate is not None]
    unpruned = findings.unpruned_layers(trial.seed)
    left, before = 0, 0
    for layer in asked:
        whole = unpruned.get(layer.layer, layer)
        left += layer.units - layer.empty_units if units else layer.nonzero_weights
        before += whole.units if units else whole.weights
    return 1 - left / before if before > 0 else None


def _less(findings: Findings, cell: Cell, left: str, before: str) -> float | None:
    share = ratio(
        findings.mean_cost(cell, lambda row: getattr(row, left)),
        findings.mean_cost(findings.control, lambda row: getattr(row, before)),
    )
    return None if share is None else 1 - share


def _bytes_less(findings: Findings, cell: Cell) -> float | None:
    own, unpruned = mean_sizes(findings, cell), mean_sizes(findings, findings.control)
    shares = (ratio(size, unpruned.get(name)) for name, size in own.items())
    share = next((share for share in shares if share is not None), None)
    return None if share is None else 1 - share


def achieved_table(findings: Findings) -> Table:
    """A row per recipe and rate; all shares in percent."""
    return table_of(
        "achieved",
        "Rate asked for, and share removed or zero, %",
        achieved_info(findings),
        (
            *RECIPE_AND_RATE,
            ("a rate of", TEXT, None, lambda info: info.unit),
            ("achieved", PERCENT, "computed", lambda info: info.in_asked_layers),
            ("", TEXT, None, lambda info: "missed" if info.missed else ""),
            ("weights of asked layers", PERCENT, "computed", lambda info: info.weights_in_asked_layers),
            ("all prunable weights (sparsity)", PERCENT, "computed", lambda info: info.sparsity),
            ("parameters", PERCENT, "computed", lambda info: info.parameters),
            ("effective MACs", PERCENT, "computed", lambda info: info.macs),
            ("effective BOPs", PERCENT, "computed", lambda info: info.bops),
            ("file bytes", PERCENT, "measured", lambda info: info.bytes),
        ),
        empty="The study has no pruned trial yet.",
    )


def achieved_blocks(findings: Findings) -> tuple[Block, ...]:
    """The table, after which rates were missed."""
    missed = [info for info in achieved_info(findings) if info.missed]
    if not any(info.in_asked_layers is not None for info in achieved_info(findings)):
        text = "No finished trial has its layers on record, so what was achieved is not known."
    elif missed:
        text = f"Missed by more than 2 points: {first_of([f'`{info.recipe}` {info.rate:g}' for info in missed])}."
    else:
        text = "Every rate was achieved to within 2 points, in the layers it was asked of."
    note = Paragraph(
        "A rate of a unit-wise pattern is a share of units (output rows), and removing a share of the units of two "
        "neighbouring layers removes more than that share of the weights between them.",
        "note",
    )
    return (Paragraph(text, "warning" if missed else "body"), achieved_table(findings), note)


COUNTS_WITHIN, LATENCY_WITHIN = 0.01, 0.1
"""What counts as reached: a count within so much of it, a latency at most so much above it (it is noisy)."""


@dataclass(frozen=True)
class TargetInfo:
    """One recipe at one rate: what was asked for, and achieved. Shares are of the unpruned network's, latencies in ms.

    achieved: None where it is not known. how: computed, or measured: on which runtime, machine and threads.
    """

    recipe: str
    rate: float
    kind: str
    asked: float
    achieved: float | None
    how: str

    @property
    def missed(self) -> bool:
        """Whether it is further off than 1 % for counts, or a latency more than 10 % too long."""
        if self.achieved is None:
            return False
        if self.kind == "latency_ms":
            return self.achieved > self.asked * (1 + LATENCY_WITHIN)
        return abs(self.achieved - self.asked) > COUNTS_WITHIN * self.asked

    def __str__(self) -> str:
        achieved = "not known" if self.achieved is None else f"{self.achieved:.4g}"
        return f"asked for {self.kind} = {self.asked:g}, achieved {achieved} ({self.how})"


@once_per_study
def targets_info(findings: Findings) -> tuple[TargetInfo, ...]:
    """All cells whose recipe has a target."""
    wanted = {recipe.name: recipe.target for recipe in findings.recipes if recipe.target is not None}
    return tuple(
        _target(findings, info, target)
        for info in achieved_info(findings)
        if info.recipe is not None and (target := wanted.get(info.recipe)) is not None
    )


def _target(findings: Findings, info: AchievedInfo, target: RecipeTarget) -> TargetInfo:
    asked = 1 - info.rate if target.asked is None else target.asked
    recipe = info.recipe or ""
    if target.place is not None:
        setting = Setting(*target.place)
        timed = latency_of(findings).get((recipe, info.rate, setting))
        how = _how(findings, setting, timed)
        return TargetInfo(recipe, info.rate, target.kind, asked, timed.p50_ms if timed else None, how)
    removed = {"params": info.parameters, "macs": info.macs, "bops": info.bops}[target.kind]
    return TargetInfo(recipe, info.rate, target.kind, asked, None if removed is None else 1 - removed, "computed")


def _how(findings: Findings, setting: Setting, timed: LatencyInfo | None) -> str:
    if timed is None:
        return f"not measured: {setting.label}"
    machine = dict(provenance_info(findings).machine).get("cpu", "unknown machine")
    return f"measured: median of {timed.rounds} runs; {setting.label}; {machine}"


AMOUNT = Number(digits=4)


def targets_table(findings: Findings) -> Table:
    """A row per recipe with a target and rate; shares of the unpruned network's, latencies in milliseconds."""
    return table_of(
        "targets",
        "Targets asked for and achieved: shares of the unpruned network that are left, or milliseconds",
        targets_info(findings),
        (
            ("recipe", NAME, None, lambda info: recipe_name(info.recipe)),
            ("rate", RATE, None, lambda info: info.rate),
            ("target", TEXT, None, lambda info: info.kind),
            ("asked", AMOUNT, "asked", lambda info: info.asked),
            ("achieved", AMOUNT, None, lambda info: info.achieved),
            ("", TEXT, None, lambda info: "missed" if info.missed else ""),
            ("how it is known", TEXT, None, lambda info: info.how),
        ),
        empty="No recipe has a target.",
    )


def target_blocks(findings: Findings) -> tuple[Block, ...]:
    """Where recipes were to come to a cost."""
    if not targets_info(findings):
        return ()
    missed = [info for info in targets_info(findings) if info.missed]
    if missed:
        text = f"Targets that were missed: {first_of([f'`{one.recipe}` {one.rate:g} ({one.kind})' for one in missed])}."
    else:
        text = "Every target was reached: counts to within 1 %, a latency exceeded by 10 % at most."
    return (Paragraph(text, "warning" if missed else "body"), targets_table(findings))
