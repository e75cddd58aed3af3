"""What was found of a network's layers, the metric over the rate, and what rates it suggests: every layer goes so far
that, alone, it would cost the same."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Sequence
from itertools import pairwise
from numbers import Real
from typing import Any

from pydantic import JsonValue, SerializerFunctionWrapHandler, model_serializer, model_validator

from prunus.errors import InputError
from prunus.spec.metric import Metric
from prunus.spec.part import Frozen, Part


class Curve(Frozen):
    """One layer (or group of channels) pruned alone.

    Attributes:
        name: of the layer or group.
        units: how many it has.
        values: the metric (accuracy as a share) at each of the rates; None where it is no finite number.
    """

    name: str
    units: int
    values: tuple[float | None, ...]

    @model_validator(mode="before")
    @classmethod
    def _of_accuracies(cls, table: Any) -> Any:
        """Files of sensitivities call values of accuracy so."""
        if isinstance(table, dict) and "accuracies" in table:
            return {"values" if key == "accuracies" else key: value for key, value in table.items()}
        return table

    @property
    def accuracies(self) -> tuple[float | None, ...]:
        """The values, by the name they had when there was no other metric."""
        warnings.warn("prunus.Curve.accuracies is now Curve.values", DeprecationWarning, stacklevel=2)
        return self.values


class Sensitivity(Frozen):
    """The metric of a network of which one layer at a time is pruned, without training.

    Attributes:
        pattern: what was removed.
        criterion: what scored it.
        protect: layers that were left alone.
        rates: ascending, above 0, as asked for.
        unpruned: the metric of the network as it is.
        inputs: so many it was tested on; they are training data.
        curves: one for each layer, or group of channels.
        metric: what was measured, accuracy as a share.
    """

    pattern: Part
    criterion: Part
    protect: tuple[str, ...]
    rates: tuple[float, ...]
    unpruned: float
    inputs: int
    curves: tuple[Curve, ...]
    metric: Metric = Metric()

    @model_serializer(mode="wrap")
    def _accuracies_as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A sensitivity of accuracy is written as it was when there was no other metric."""
        table: dict[str, Any] = handler(self)
        if self.metric.name != "accuracy":
            return table
        curves = [{"accuracies" if key == "values" else key: each for key, each in c.items()} for c in table["curves"]]
        return {**{key: value for key, value in table.items() if key != "metric"}, "curves": curves}

    def gain(self, value: float | None) -> float:
        """A value turned so that more is better; what is no number is worst."""
        if value is None:
            return -math.inf
        return value if self.metric.higher_is_better else -value

    @property
    def units(self) -> int:
        """The units of all layers together."""
        return sum(curve.units for curve in self.curves)

    def highest_rate(self, curve: Curve, worst: float) -> float:
        """Up to which rate the layer alone leaves the metric no worse, with straight lines between the rates measured.

        Args:
            curve: one of `curves`.
            worst: the value that is still good enough.

        Returns:
            The rate, 0 or more where the unpruned network is that good.

        Example:
            >>> curve = Curve(name="a", units=4, values=(1.0, 0.6))
            >>> found = Sensitivity(pattern="element", criterion="magnitude", protect=(), rates=(0.5, 0.9),
            ...                     unpruned=1.0, inputs=10, curves=(curve,))
            >>> [round(found.highest_rate(curve, worst), 3) for worst in (1.0, 0.8, 0.1)]
            [0.5, 0.7, 0.9]
        """
        return self._highest_rate(curve, self.gain(worst))

    def _highest_rate(self, curve: Curve, least: float) -> float:
        """Up to which rate the layer alone leaves so much, in what more is better of."""
        values = (self.unpruned, *curve.values)
        points = [(rate, self.gain(value)) for rate, value in zip((0.0, *self.rates), values, strict=True)]
        for (before, higher), (after, lower) in pairwise(points):
            if lower < least:
                return before + (after - before) * (higher - least) / (higher - lower)
        return points[-1][0]

    def rates_at(self, drop: float) -> list[float]:
        """Up to which rate each layer alone is no more than so much worse than the unpruned network."""
        return [self._highest_rate(curve, self.gain(self.unpruned) - drop) for curve in self.curves]


HALVINGS = 60


class Suggestion(Frozen):
    """A rate of its own for each layer, as the allocation `by_layer` takes them.

    Attributes:
        rate: what they come to, as a share of all units.
        drop: how much worse the metric (accuracy as a share) is at most where any of these layers alone is pruned; None
            where one goes beyond what left a number.
        rates: layer -> the share of its units.
    """

    rate: float
    drop: float | None
    rates: dict[str, float]


def suggest(found: Sensitivity, rate: float) -> Suggestion:
    """The rates by layer with the smallest drop that come to `rate` together.

    Source: layers pruned alone, Han et al., 2015, and Li et al., 2017, who read the rates off the curves by eye.

    Args:
        found: the curves, from `measure_sensitivity`.
        rate: the share of all units that is to go, 0 < rate < 1.

    Returns:
        A rate for each layer, and how much worse the metric (accuracy as a share) is at most with one of them alone.

    Raises:
        InputError: the rates measured do not come to `rate`; the message has the nearest that can be had.

    Example:
        >>> from prunus import Curve
        >>> curves = (Curve(name="a", units=4, values=(1.0, 0.6)), Curve(name="b", units=4, values=(0.2, 0.1)))
        >>> found = Sensitivity(pattern="element", criterion="magnitude", protect=(), rates=(0.5, 0.9), unpruned=1.0,
        ...                     inputs=10, curves=curves)
        >>> {name: round(rate, 2) for name, rate in suggest(found, 0.4).rates.items()}
        {'a': 0.68, 'b': 0.12}
    """
    check_suggested(rate, found.rates)
    fewer, more, drop = [0.0] * len(found.curves), found.rates_at(0.0), 0.0
    if _total(found, more) < rate:
        fewer, more, drop = _bracket(found, rate)
    most = _total(found, more)
    low = _total(found, fewer)
    share = min((rate - low) / (most - low), 1.0) if most > low else 1.0
    rates = [a + share * (b - a) for a, b in zip(fewer, more, strict=True)]
    return Suggestion(
        rate=rate,
        drop=drop if math.isfinite(drop) else None,
        rates={curve.name: value for curve, value in zip(found.curves, rates, strict=True)},
    )


def check_suggested(rate: float, rates: Sequence[float]) -> None:
    """Raises `InputError` for what is no rate, or higher than all that are measured; it needs no measurements."""
    if not isinstance(rate, Real) or not 0 < float(rate) < 1:
        raise InputError(f"The rate {rate!r} cannot be suggested", "it is the share that goes", "give 0 < rate < 1")
    if rate > max(rates) + 1e-9:
        raise InputError(
            f"The rate {rate:g} cannot be suggested",
            f"layers are measured up to {max(rates):g}",
            f"ask for {max(rates):g} or less, or measure higher rates",
        )


def _bracket(found: Sensitivity, rate: float) -> tuple[list[float], list[float], float]:
    """Rates just too low and just high enough, and the drop of the latter, by halving."""
    values = (value for curve in found.curves for value in curve.values)
    drops = (found.gain(found.unpruned) - found.gain(value) for value in values if value is not None)
    low, high = 0.0, max(abs(found.unpruned), *drops, 0.0)
    if _total(found, most := found.rates_at(high)) < rate:  # the rest is only where no number was left
        return most, found.rates_at(math.inf), math.inf
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _total(found, found.rates_at(middle)) < rate else (low, middle)
    return found.rates_at(low), found.rates_at(high), high


def _total(found: Sensitivity, rates: Sequence[float]) -> float:
    return sum(rate * curve.units for rate, curve in zip(rates, found.curves, strict=True)) / found.units


def recipe_toml(found: Sensitivity, suggestion: Suggestion, name: str = "by-sensitivity") -> str:
    """The suggestion as a table for a study's file, in which `rates` is to hold the suggestion's rate.

    Where the drop is None, some layer is pruned so far that alone it left no number.
    """
    rates = {layer: round(rate, 4) for layer, rate in suggestion.rates.items()}
    lines = [
        f"# For a study with rates = [{suggestion.rate:g}], of all units; {_promise(found.metric, suggestion.drop)}.",
        f"[recipe.{name}]",
        f"pattern = {_part(found.pattern)}",
        f"criterion = {_part(found.criterion)}",
        f"protect = {_toml(list(found.protect))}",
        "",
        f"[recipe.{name}.allocation]",
        'name = "by_layer"',
        "",
        f"[recipe.{name}.allocation.rates]",
        *(f"{json.dumps(layer)} = {rate}" for layer, rate in rates.items()),
    ]
    return "\n".join(lines) + "\n"


def _promise(metric: Metric, drop: float | None) -> str:
    if drop is None:
        return f"some layer alone leaves no finite {metric.name}"
    if metric.unit == "%":
        return f"no layer alone costs more than {100 * drop:.2f} points"
    worse = f"{drop:.3g} {metric.unit}".rstrip()
    return f"no layer alone makes the {metric.name} worse by more than {worse}"


def _part(part: Part) -> str:
    return _toml({"name": part.name, **part.settings}) if part.settings else _toml(part.name)


def _toml(value: JsonValue) -> str:
    """A value in TOML, in one line; what is None is left out.

    >>> _toml({"name": "nm", "n": None, "m": 4, "of": ["a", 0.5, True]})
    '{ name = "nm", m = 4, of = ["a", 0.5, true] }'
    """
    if isinstance(value, dict):
        inner = (f"{key} = {_toml(each)}" for key, each in value.items() if each is not None)
        return f"{{ {', '.join(inner)} }}"
    if isinstance(value, list):
        return f"[{', '.join(_toml(each) for each in value)}]"
    return json.dumps(value, ensure_ascii=False)
