"""From sensitivities to rates: every layer goes so far that, alone, it would cost the same accuracy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from numbers import Real

from pydantic import JsonValue

from prunus.errors import InputError
from prunus.sensitivity.curves import Sensitivity
from prunus.spec.part import Frozen, Part

HALVINGS = 60


class Suggestion(Frozen):
    """A rate of its own for each layer.

    rate: what they come to, as a share of all units. drop: the accuracy (a share) that no layer alone is to cost more
    than. rates: layer -> the share of its units.
    """

    rate: float
    drop: float
    rates: dict[str, float]


def suggest(found: Sensitivity, rate: float) -> Suggestion:
    """The rates with the smallest drop that come to `rate` together.

    Source: layers pruned alone, Han et al., 2015, and Li et al., 2017, who read the rates off the curves by eye.
    Raises `InputError`, with the nearest that can be had, for a rate that the rates measured do not come to.
    """
    check_suggested(rate, found.rates)
    fewer, more, drop = [0.0] * len(found.curves), _at(found, 0.0), 0.0
    if _total(found, more) < rate:
        fewer, more, drop = _bracket(found, rate)
    most = _total(found, more)
    low = _total(found, fewer)
    share = min((rate - low) / (most - low), 1.0) if most > low else 1.0
    rates = [a + share * (b - a) for a, b in zip(fewer, more, strict=True)]
    return Suggestion(
        rate=rate, drop=drop, rates={curve.name: value for curve, value in zip(found.curves, rates, strict=True)}
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
    low, high = 0.0, found.unpruned
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _total(found, _at(found, middle)) < rate else (low, middle)
    return _at(found, low), _at(found, high), high


def _at(found: Sensitivity, drop: float) -> list[float]:
    return [found.highest_rate(curve, found.unpruned - drop) for curve in found.curves]


def _total(found: Sensitivity, rates: Sequence[float]) -> float:
    return sum(rate * curve.units for rate, curve in zip(rates, found.curves, strict=True)) / found.units


def recipe_toml(found: Sensitivity, suggestion: Suggestion, name: str = "by-sensitivity") -> str:
    """The suggestion as a table for a study's file, in which `rates` is to hold the suggestion's rate."""
    rates = {layer: round(rate, 4) for layer, rate in suggestion.rates.items()}
    lines = [
        f"# For a study with rates = [{suggestion.rate:g}], of all units; no layer alone costs more than "
        f"{100 * suggestion.drop:.2f} points.",
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
