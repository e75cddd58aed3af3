"""Schedules: when how much is removed.

What stays out: networks. A schedule is pure: from a rate and a number of epochs to a list of events.
"""

from prunus.prune.schedules.at_init import AtInit
from prunus.prune.schedules.cubic import Cubic
from prunus.prune.schedules.drop_and_grow import RigL, Set
from prunus.prune.schedules.every_epoch import EveryEpoch
from prunus.prune.schedules.iterative import Iterative
from prunus.prune.schedules.one_shot import OneShot
from prunus.prune.schedules.schedule import Event, Schedule
from prunus.registry import Registry

SCHEDULES: Registry[type[Schedule]] = Registry("schedule", Schedule)
SCHEDULES.register("every_epoch", EveryEpoch)
SCHEDULES.register("one_shot", OneShot)
SCHEDULES.register("cubic", Cubic)
SCHEDULES.register("iterative", Iterative)
SCHEDULES.register("at_init", AtInit)
SCHEDULES.register("set", Set)
SCHEDULES.register("rigl", RigL)

__all__ = ["SCHEDULES", "Event", "Schedule"]
