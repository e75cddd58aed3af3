"""Criteria: the score by which units are ranked; the lowest go first.

What stays out: gathering what a score is made of (`prunus.prune.evidence`), and how many units go.
"""

from prunus.prune.criteria.activation import Activation
from prunus.prune.criteria.apoz import Apoz
from prunus.prune.criteria.bn_scale import BnScale
from prunus.prune.criteria.criterion import Criterion, Evidence
from prunus.prune.criteria.fisher import Fisher
from prunus.prune.criteria.geometric_median import GeometricMedian
from prunus.prune.criteria.gradient import Gradient
from prunus.prune.criteria.grasp import Grasp
from prunus.prune.criteria.magnitude import Magnitude
from prunus.prune.criteria.movement import Movement
from prunus.prune.criteria.random import Random
from prunus.prune.criteria.snip import Snip
from prunus.prune.criteria.synflow import Synflow
from prunus.prune.criteria.wanda import Wanda
from prunus.registry import Registry

CRITERIA: Registry[type[Criterion]] = Registry("criterion", Criterion)
CRITERIA.register("magnitude", Magnitude)
CRITERIA.register("random", Random)
CRITERIA.register("gradient", Gradient)
CRITERIA.register("fisher", Fisher)
CRITERIA.register("snip", Snip)
CRITERIA.register("grasp", Grasp)
CRITERIA.register("synflow", Synflow)
CRITERIA.register("bn_scale", BnScale)
CRITERIA.register("geometric_median", GeometricMedian)
CRITERIA.register("activation", Activation)
CRITERIA.register("wanda", Wanda)
CRITERIA.register("movement", Movement)
CRITERIA.register("apoz", Apoz)

__all__ = ["CRITERIA", "Criterion", "Evidence"]
