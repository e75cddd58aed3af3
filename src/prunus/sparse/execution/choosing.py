"""Which kernel each step runs on: what was chosen before, else what measures fastest here."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunus.errors import InputError
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
"""How often. The fastest one of the kind that is expected is timed again in any case: of two runs both may have been
disturbed, and another kind would be chosen for that alone."""

MOST_SPARSE = 0.5
"""With so large a share of non-zero weights at most, a sparse kernel is expected to be the fastest."""


@dataclass(frozen=True)
class Chosen:
    """A step, its kernel, and the times of the fastest dense and the fastest sparse one where they were measured."""

    step: _native.Step
    kernel: str
    dense_ms: float | None = None
    sparse_ms: float | None = None


_measured: dict[object, tuple[str, dict[str, float]]] = {}
"""Kernels sum in different orders, so that engines of one network would give other bits where one of them measured
otherwise. What was measured first in this process holds for all of its engines, whatever their number of threads: what
is timed is the processor's time of one thread."""


class Chooser:
    """Makes steps; measures one step for all that are alike, once in a process."""

    def __init__(self, engine: _native.Engine, given: Mapping[str, str], *, fixed: bool = False) -> None:
        self._engine, self._given, self._fixed = engine, given, fixed

    def choose(self, plan: StepPlan) -> Chosen:
        """The step on its kernel: the one given, else the likeliest where choices are fixed, else the fastest."""
        if not plan.candidates:
            return Chosen(plan.make(self._engine, ""), "")
        kernel = self._given.get(plan.operation)
        if kernel is not None:
            with suppress(ValueError, InputError):  # a file may name any: one of another version, or none at all
                return Chosen(plan.make(self._engine, kernel), kernel)
        if self._fixed:
            kernel = likeliest(plan)
            return Chosen(plan.make(self._engine, kernel), kernel)
        key = (self._engine.isa, plan.alike, tuple(plan.candidates))
        if key not in _measured:
            _measured.setdefault(key, self._measure(plan))  # another thread may have been faster
        kernel, times = _measured[key]
        return Chosen(plan.make(self._engine, kernel), kernel, _least(times, "dense"), _least(times, "sparse"))

    def _measure(self, plan: StepPlan) -> tuple[str, dict[str, float]]:
        times: dict[str, float] = {}
        for kernel in plan.candidates:
            limit = HOPELESS * min(times.values(), default=float("inf"))
            times[kernel] = self._engine.time(plan.make(self._engine, kernel), SECONDS, limit)
        best = min(times.values())
        expected = _fastest(times, kind_of(plan))
        close = [kernel for kernel, seconds in times.items() if seconds <= CLOSE * best or kernel == expected]
        if len(close) > 1:
            steps = {kernel: plan.make(self._engine, kernel) for kernel in close}
            # In turn and not one after the other, so that a disturbance of some milliseconds hits them all.
            for kernel, step in AGAIN * list(steps.items()):
                times[kernel] = min(times[kernel], self._engine.time(step, SECONDS, float("inf")))
        return min(close, key=lambda kernel: times[kernel]), times


def forget_measured() -> None:
    """Have kernels measured anew, as in a new process."""
    _measured.clear()


def kind_of(plan: StepPlan) -> str:
    """Which kernels the share of zeros speaks for, as their names begin."""
    return "sparse" if plan.nonzero_macs <= MOST_SPARSE * plan.macs else "dense"


def likeliest(plan: StepPlan) -> str:
    """The first kernel of the kind that is expected: the same with any number of threads, whenever it is asked."""
    return next((kernel for kernel in plan.candidates if kernel.startswith(kind_of(plan))), plan.candidates[0])


def _fastest(times: Mapping[str, float], kind: str) -> str | None:
    found = [kernel for kernel in times if kernel.startswith(kind)]
    return min(found, key=lambda kernel: times[kernel]) if found else None


def _least(times: Mapping[str, float], kind: str) -> float | None:
    found = [seconds for kernel, seconds in times.items() if kernel.startswith(kind)]
    return 1e3 * min(found) if found else None
