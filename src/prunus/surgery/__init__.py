"""Removing channels physically: plan (data), cut, verify masked = shrunk, save and load without pickle."""

from prunus.surgery.choice import magnitude, together, uniform
from prunus.surgery.cut import cut
from prunus.surgery.mask import masked, unit_masks
from prunus.surgery.plan import Plan, plan
from prunus.surgery.prune_channels import Pruned, prune_channels
from prunus.surgery.recalibrate import recalibrate
from prunus.surgery.report import ShrinkReport
from prunus.surgery.saving import load, save
from prunus.surgery.shrink import Shrunk, Surgeon, shrink
from prunus.surgery.verify import DifferenceError, verify

__all__ = [
    "DifferenceError",
    "Plan",
    "Pruned",
    "ShrinkReport",
    "Shrunk",
    "Surgeon",
    "cut",
    "load",
    "magnitude",
    "masked",
    "plan",
    "prune_channels",
    "recalibrate",
    "save",
    "shrink",
    "together",
    "uniform",
    "unit_masks",
    "verify",
]
