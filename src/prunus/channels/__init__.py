"""Removing channels physically: plan (data), choose, cut, carry over into the user's class or a graph, save and load.

What stays out: which channels go together (`prunus.coupling`), whether the result is right (`prunus.proof`), and
schedules. Criteria come in by name in `by_name` alone; everything else takes scores.
"""

from prunus.channels.mask import masked, unit_masks
from prunus.channels.plan import Plan, plan
from prunus.channels.pruning import Pruned, cut
from prunus.channels.recalibrate import recalibrate
from prunus.channels.report import ShrinkReport
from prunus.channels.saving import load, save
from prunus.channels.shrink import ChannelCutter, Shrunk, shrink
from prunus.channels.verify import verify
from prunus.proof import DifferenceError

__all__ = [
    "ChannelCutter",
    "DifferenceError",
    "Plan",
    "Pruned",
    "ShrinkReport",
    "Shrunk",
    "cut",
    "load",
    "masked",
    "plan",
    "recalibrate",
    "save",
    "shrink",
    "unit_masks",
    "verify",
]
