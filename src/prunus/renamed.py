"""Module paths of version 0.1.0 that have another name now. They still work, and say so; version 0.3.0 drops them."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from types import ModuleType
from typing import Any

MODULES = {
    "memory": "system.memory",
    "onnx_session": "system.onnx_session",
    "processor": "system.processor",
    "quiet": "system.quiet",
    "reading": "system.reading",
    "surgeon": "reconstruct",
    "surgery": "channels",
    "sweep.words": "sweep.event_log",
    "train.anatomy": "train.scope",
    "user_code": "system.user_code",
}
NAMES = {
    "surgery": {"Surgeon": "ChannelCutter", "prune_channels": "by_name.prune_channels"},
    "sweep.words": {"Ear": "EventReader", "Pen": "EventWriter"},
    "train.anatomy": {"Anatomy": "PruningScope"},
}
"""What is called otherwise in them, by the module's old path."""


class RenamedModule(ModuleType):
    """Stands for a module under its old path, and imports the new one when a name of it is asked for."""

    def __init__(self, path: str) -> None:
        super().__init__(f"prunus.{path}")
        self._old, self._new = path, MODULES[path]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what goes through all modules asks for these alone
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        new_name = NAMES.get(self._old, {}).get(name, name)
        *submodule, attribute = new_name.split(".")
        module = import_module(".".join(["prunus", self._new, *submodule]))
        if not hasattr(module, attribute):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        warnings.warn(
            f"prunus.{self._old}.{name} is now {module.__name__}.{attribute}", DeprecationWarning, stacklevel=2
        )
        return getattr(module, attribute)


def provide(package: ModuleType) -> None:
    """Have all of them found, by imports and as the package's attributes. Nothing is imported by that."""
    for path in MODULES:
        module = sys.modules[f"prunus.{path}"] = RenamedModule(path)
        if "." not in path:
            setattr(package, path, module)
