"""How many units of a layer stay, where runtimes like round numbers of channels."""

from __future__ import annotations

import math


def step_of(round_to: int, width: int) -> int:
    """Units that make up a multiple of `round_to` channels, each unit being `width` of them.

    >>> [step_of(16, width) for width in (1, 8, 12, 32)]
    [16, 2, 4, 1]
    """
    return round_to // math.gcd(round_to, width)


def rounded_units(units: int, wanted: int, step: int = 1, least: int = 1) -> int:
    """The multiple of `step` nearest to `wanted` (halves up) that is not below `least`; never 0, at most all units.

    >>> [rounded_units(units=20, wanted=wanted, step=8) for wanted in (1, 11, 12, 20)]
    [8, 8, 16, 20]
    >>> rounded_units(units=20, wanted=3, step=4, least=6)
    8
    """
    return min(units, max(step, step * math.floor(wanted / step + 0.5), step * math.ceil(least / step)))
