"""What to remove: prunable layers, patterns, allocation, schedules, masks; criteria in a folder of their own."""

from prunus.prune.allocations import ALLOCATIONS
from prunus.prune.holding import Hold
from prunus.prune.layers import PrunableLayer, protected_layers, prunable_layers
from prunus.prune.masks import Masks, apply_masks, lowest, sparsity
from prunus.prune.patterns import PATTERNS
from prunus.prune.schedules import SCHEDULES, Event
from prunus.prune.units import UnitSet

__all__ = [
    "ALLOCATIONS",
    "PATTERNS",
    "SCHEDULES",
    "Event",
    "Hold",
    "Masks",
    "PrunableLayer",
    "UnitSet",
    "apply_masks",
    "lowest",
    "protected_layers",
    "prunable_layers",
    "sparsity",
]
