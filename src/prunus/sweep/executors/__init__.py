"""Executors: where trials run.

What stays out: what a trial does, and the store. An executor starts processes and carries words between them and the
coordinator.
"""

from prunus.registry import Registry
from prunus.sweep.executors.executor import Capabilities, Executor, Terms
from prunus.sweep.executors.local import Local
from prunus.sweep.executors.ray import Ray
from prunus.sweep.executors.slurm import Slurm

EXECUTORS: Registry[type[Executor]] = Registry("executor", Executor)
EXECUTORS.register("local", Local)
EXECUTORS.register("ray", Ray)
EXECUTORS.register("slurm", Slurm)

__all__ = ["EXECUTORS", "Capabilities", "Executor", "Terms"]
