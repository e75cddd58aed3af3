"""Executors: where trials run."""

from prunus.registry import Registry
from prunus.sweep.executors.executor import Capabilities, Executor, Terms
from prunus.sweep.executors.local import Local
from prunus.sweep.executors.ray import Ray
from prunus.sweep.executors.slurm import Slurm

EXECUTORS: Registry[type[Executor]] = Registry("executor")
EXECUTORS.register("local", Local)
EXECUTORS.register("ray", Ray)
EXECUTORS.register("slurm", Slurm)

__all__ = ["EXECUTORS", "Capabilities", "Executor", "Terms"]
