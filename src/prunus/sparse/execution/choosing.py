"""Which kernel each step runs on: what was chosen before, else what measures fastest here."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunus.sparse.execution.builder import StepPlan

if TYPE_CHECKING:
    from prunus.sparse import _native

SECONDS = 0.002
"""How long a kernel is timed. A slower step runs four times, or twice where it is far from the best."""

HOPELESS = 1.25
"""A kernel whose first two runs took so many times the best is not timed further."""

CLOSE = 1.15
"""Kernels that took up to so many times the best are timed again, in turn: the machine may have been disturbed."""

AGAIN = 3
"""How often."""


@dataclass(frozen=True)
class Chosen:
    """A step, its kernel, and the times of the fastest dense and the fastest sparse one where they were measured."""

    step: _native.Step
    kernel: str
    dense_ms: float | None = None
    sparse_ms: float | None = None


class Chooser:
    """Makes steps; measures one step for all that are alike."""

    def __init__(self, engine: _native.Engine, given: Mapping[str, str]) -> None:
        self._engine, self._given = engine, given
        self._known: dict[object, tuple[str, dict[str, float]]] = {}

    def choose(self, plan: StepPlan) -> Chosen:
        """The step on its fastest kernel."""
        if not plan.candidates:
            return Chosen(plan.make(self._engine, ""), "")
        kernel = self._given.get(plan.operation)
        if kernel is not None:
            with suppress(ValueError):  # a file of another version may name one that does not suit the layer here
                return Chosen(plan.make(self._engine, kernel), kernel)
        key = (plan.alike, tuple(plan.candidates))
        if key not in self._known:
            self._known[key] = self._measure(plan)
        kernel, times = self._known[key]
        return Chosen(plan.make(self._engine, kernel), kernel, _least(times, "dense"), _least(times, "sparse"))

    def _measure(self, plan: StepPlan) -> tuple[str, dict[str, float]]:
        times: dict[str, float] = {}
        for kernel in plan.candidates:
            limit = HOPELESS * min(times.values(), default=float("inf"))
            times[kernel] = self._engine.time(plan.make(self._engine, kernel), SECONDS, limit)
        best = min(times.values())
        close = [kernel for kernel, seconds in times.items() if seconds <= CLOSE * best]
        if len(close) > 1:
            steps = {kernel: plan.make(self._engine, kernel) for kernel in close}
            for kernel, step in AGAIN * list(steps.items()):
                times[kernel] = min(times[kernel], self._engine.time(step, SECONDS, float("inf")))
        return min(close, key=lambda kernel: times[kernel]), times


def _least(times: Mapping[str, float], kind: str) -> float | None:
    found = [seconds for kernel, seconds in times.items() if kernel.startswith(kind)]
    return 1e3 * min(found) if found else None
