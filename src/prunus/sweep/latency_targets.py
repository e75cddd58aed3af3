"""Rates found for a study's latencies: measured once, kept in its folder, never searched again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from prunus.channels.latency_target import place_of
from prunus.errors import InputError, StoreError
from prunus.measure import runtime_of
from prunus.measure.stopwatch import Place
from prunus.prune.allocations import Allocation
from prunus.spec import Measurement, Recipe
from prunus.spec.part import digest
from prunus.store import write_atomically
from prunus.system.reading import read_whole
from prunus.train import Found, PruningScope, at_rate, find_recipe_rate, latency_wanted

LARGEST_BYTES = 2**20
KEPT = TypeAdapter(dict[str, Found])
Tell = Callable[[str], None]


@dataclass
class LatencyTargets:
    """What was found, by all that decides on it: the network and how a recipe prunes it, but for its criterion.

    path: the file in the study's folder; None keeps nothing. tell: is told of every measurement.
    """

    path: Path | None = None
    tell: Tell = lambda _: None
    found: dict[str, Found] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path is not None and self.path.exists():
            self.found = _read(self.path)

    def settle(self, recipe: Recipe, network: Callable[[], nn.Module], scope: PruningScope, example: Tensor) -> Recipe:
        """The recipe with the rate that its latency takes; any other recipe as it is.

        network: builds the one whose latency is measured. Raises `InputError` for a latency that cannot be reached.
        """
        if not latency_wanted(recipe):
            return recipe
        model = network()
        key = _key(model, recipe, example)
        if key not in self.found:
            self.found[key] = find_recipe_rate(model, recipe, scope, example, self.tell)
            if self.path is not None:
                write_atomically(self.path, KEPT.dump_json(self.found, indent=1))
        return at_rate(recipe, self.found[key].rate)


def check_measured(recipe: Recipe, measurement: Measurement) -> None:
    """Raises `InputError` where a recipe's latency would not be measured of the final networks.

    What was found at the beginning is of untrained networks; what counts is what the trained ones take.
    """
    allocation = latency_wanted(recipe)
    if allocation is None:
        return
    runtime_of(allocation.runtime)
    wanted = place_of(allocation)
    if measurement.select == "none" or not _covers(measurement, wanted):
        raise InputError(
            f"The recipe '{recipe.name}' is to come to a latency that the study does not measure",
            f"it is asked for on {wanted}",
            f"set measurement.runtimes, batch_sizes and threads so that they hold {_settings(allocation)}, and select "
            "to 'first' or 'all'",
        )


def _covers(measurement: Measurement, place: Place) -> bool:
    return (
        place.runtime in measurement.runtimes
        and place.batch_size in measurement.batch_sizes
        and place.threads in measurement.threads
    )


def _settings(allocation: Allocation) -> str:
    return f"'{allocation.runtime}', {allocation.batch_size} and {allocation.threads}"


def _key(model: nn.Module, recipe: Recipe, example: Tensor) -> str:
    """A digest of architecture, inputs, and recipe, but for its criterion and schedule, which move no latency."""
    parts = recipe.model_dump(mode="json", include={"pattern", "allocation", "permanence", "protect"})
    shapes = {name: list(value.shape) for name, value in model.state_dict().items()}
    return digest({"recipe": parts, "modules": str(model), "shapes": shapes, "input_shape": list(example.shape[1:])})


def _read(path: Path) -> dict[str, Found]:
    try:
        return KEPT.validate_json(read_whole(path, LARGEST_BYTES))
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(
            f"The file {path} cannot be used", reason, "delete it; its rates are then found anew"
        ) from None
