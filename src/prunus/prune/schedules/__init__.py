"""Schedules: when how much is removed."""

from prunus.prune.schedules.cubic import Cubic
from prunus.prune.schedules.every_epoch import EveryEpoch
from prunus.prune.schedules.one_shot import OneShot
from prunus.prune.schedules.schedule import Schedule
from prunus.registry import Registry

SCHEDULES: Registry[type[Schedule]] = Registry("schedule")
SCHEDULES.register("every_epoch", EveryEpoch)
SCHEDULES.register("one_shot", OneShot)
SCHEDULES.register("cubic", Cubic)

__all__ = ["SCHEDULES", "Schedule"]
