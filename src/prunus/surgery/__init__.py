"""Removing channels physically: plan (data), cut, verify masked = shrunk, save and load without pickle."""

from prunus.surgery.cut import cut
from prunus.surgery.mask import masked, unit_masks
from prunus.surgery.plan import Plan, plan
from prunus.surgery.saving import load, save
from prunus.surgery.shrink import Shrunk, shrink
from prunus.surgery.verify import DifferenceError, verify

__all__ = [
    "DifferenceError",
    "Plan",
    "Shrunk",
    "cut",
    "load",
    "masked",
    "plan",
    "save",
    "shrink",
    "unit_masks",
    "verify",
]
