"""Allocations: how the total is shared among layers.

What stays out: weights and networks. An allocation sees the scores of sets of units, and says how many of each go.
"""

from prunus.prune.allocations.allocation import Allocation
from prunus.prune.allocations.by_layer import ByLayer
from prunus.prune.allocations.erk import Erk
from prunus.prune.allocations.global_ import Global
from prunus.prune.allocations.lamp import Lamp
from prunus.prune.allocations.uniform import Uniform
from prunus.registry import Registry

ALLOCATIONS: Registry[type[Allocation]] = Registry("allocation", Allocation)
ALLOCATIONS.register("uniform", Uniform)
ALLOCATIONS.register("global", Global)
ALLOCATIONS.register("erk", Erk)
ALLOCATIONS.register("lamp", Lamp)
ALLOCATIONS.register("by_layer", ByLayer)

__all__ = ["ALLOCATIONS", "Allocation"]
