"""Criteria: the score by which units are ranked; the lowest go first."""

from prunus.prune.criteria.criterion import Criterion, Evidence
from prunus.prune.criteria.magnitude import Magnitude
from prunus.prune.criteria.random import Random
from prunus.registry import Registry

CRITERIA: Registry[type[Criterion]] = Registry("criterion")
CRITERIA.register("magnitude", Magnitude)
CRITERIA.register("random", Random)

__all__ = ["CRITERIA", "Criterion", "Evidence"]
