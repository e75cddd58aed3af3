"""Executors: where trials run."""

from prunus.registry import Registry
from prunus.sweep.executors.executor import Executor
from prunus.sweep.executors.local import Local

EXECUTORS: Registry[type[Executor]] = Registry("executor")
EXECUTORS.register("local", Local)

__all__ = ["EXECUTORS", "Executor"]
