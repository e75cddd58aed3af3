"""What to remove: prunable layers, patterns, allocation, schedules, masks; criteria in a folder of their own.

What stays out: training, and cutting tensors. Everything here ends in masks.
"""

from prunus.prune.allocations import ALLOCATIONS
from prunus.prune.layers import PrunableLayer, protected_layers, prunable_layers
from prunus.prune.masks import Hold, Masks, apply_masks, lowest, sparsity
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
