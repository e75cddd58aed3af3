"""Colours: one per rate and per recipe, the same in every figure and table, told apart by the colour-blind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

DRAWN = {"ink": "#1c2127", "muted": "#5d6671", "grid": "#dde1e6", "paper": "#ffffff", "unpruned": "#6f7780"}
"""What figures are drawn in; on a page each colour is a variable."""

LIGHT = {**DRAWN, "paper": "#fbfbf9"}
DARK = {"ink": "#e8eaed", "muted": "#a3abb5", "grid": "#343a42", "paper": "#15181c", "unpruned": "#a7afb8"}

RECIPES_LIGHT = ("#0072b2", "#c44e00", "#00806a", "#a2327e", "#8a6d00", "#3a8fb7", "#5a4fcf", "#7a4b2a")
RECIPES_DARK = ("#56b4e9", "#f08a4b", "#2fc7a6", "#e583c0", "#e6c229", "#8fd0ea", "#a79cff", "#c99a72")
"""After Okabe and Ito's palette, darkened and lightened until each has a contrast of 3 to its background."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@dataclass(frozen=True)
class Palette:
    """The colours of one study. Figures are drawn in the light ones; on a page each follows its variable."""

    rates: tuple[float, ...]
    recipes: tuple[str, ...]

    def rate(self, rate: float) -> str:
        """Colour of a rate's line; the unpruned network is neutral."""
        return self._light_rates.get(rate, DRAWN["muted"])

    def recipe(self, name: str | None) -> str:
        """Colour of a recipe."""
        return RECIPES_LIGHT[self._position(name) % len(RECIPES_LIGHT)] if name is not None else DRAWN["unpruned"]

    def marker(self, name: str | None) -> str:
        """Shape of a recipe's marks."""
        return MARKERS[self._position(name) % len(MARKERS)] if name is not None else "o"

    def rate_index(self, rate: float) -> int:
        """Number of the rate's variable."""
        return self.rates.index(rate) if rate in self.rates else 0

    @cached_property
    def variables(self) -> dict[str, tuple[str, str]]:
        """Variable -> (light, dark)."""
        found = {name: (LIGHT[name], DARK[name]) for name in LIGHT}
        light, dark = _sequence(self.rates, 0.62, 0.02), _sequence(self.rates, 0.42, 0.96)
        for index, rate in enumerate(self.rates):
            found[f"rate-{index}"] = found["unpruned"] if rate == 0 else (light[rate], dark[rate])
        for index, pair in enumerate(zip(RECIPES_LIGHT, RECIPES_DARK, strict=True)):
            found[f"recipe-{index}"] = pair
        return found

    @cached_property
    def variable_of(self) -> dict[str, str]:
        """Light colour -> the variable it stands for."""
        drawn = {name: DRAWN.get(name, light) for name, (light, _) in self.variables.items()}
        return {color: name for name, color in reversed(drawn.items())}

    @cached_property
    def _light_rates(self) -> dict[float, str]:
        return {rate: self.variables[f"rate-{index}"][0] for index, rate in enumerate(self.rates)}

    def _position(self, name: str | None) -> int:
        return self.recipes.index(name) if name in self.recipes else 0


def _sequence(rates: tuple[float, ...], begin: float, end: float) -> dict[float, str]:
    """Plasma from `begin` to `end`: the higher the rate, the farther from the background."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    pruned = [rate for rate in rates if rate > 0]
    steps = max(len(pruned) - 1, 1)
    plasma = colormaps["plasma"]
    return {rate: to_hex(plasma(begin + (end - begin) * index / steps)) for index, rate in enumerate(pruned)}
