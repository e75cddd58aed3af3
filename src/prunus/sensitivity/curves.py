"""What was found: accuracy over the rate, layer by layer."""

from __future__ import annotations

from itertools import pairwise

from prunus.spec.part import Frozen, Part


class Curve(Frozen):
    """One layer (or group of channels) pruned alone. accuracies: a share for each of the rates."""

    name: str
    units: int
    accuracies: tuple[float, ...]


class Sensitivity(Frozen):
    """Accuracy of a network of which one layer at a time is pruned, without training.

    rates: ascending, above 0, as asked for. unpruned: the accuracy of the network as it is. inputs: so many it was
    tested on; they are training data.
    """

    pattern: Part
    criterion: Part
    protect: tuple[str, ...]
    rates: tuple[float, ...]
    unpruned: float
    inputs: int
    curves: tuple[Curve, ...]

    @property
    def units(self) -> int:
        """Of all layers together."""
        return sum(curve.units for curve in self.curves)

    def highest_rate(self, curve: Curve, least: float) -> float:
        """Up to which rate the layer alone leaves this accuracy, with straight lines between the rates measured.

        >>> found = Sensitivity(pattern="element", criterion="magnitude", protect=(), rates=(0.5, 0.9), unpruned=1.0,
        ...                     inputs=10, curves=(Curve(name="a", units=4, accuracies=(1.0, 0.6)),))
        >>> [round(found.highest_rate(found.curves[0], least), 3) for least in (1.0, 0.8, 0.1)]
        [0.5, 0.7, 0.9]
        """
        points = [(0.0, self.unpruned), *zip(self.rates, curve.accuracies, strict=True)]
        for (before, higher), (after, lower) in pairwise(points):
            if lower < least:
                return before + (after - before) * (higher - least) / (higher - lower)
        return points[-1][0]
