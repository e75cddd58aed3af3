"""Prune a PyTorch network, train it, and see what the pruning really bought.

The public names, a table of contents. Each is imported when it is first used: importing prunus imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunus.channels import prune_channels
    from prunus.cost import LayerCost, NetworkCost, count_cost
    from prunus.data import Dataset, Split, load_data
    from prunus.errors import InputError, MissingError, PrunusError, StoreError, TrialsFailedError
    from prunus.export import WrittenFile, read_network, write_onnx, write_safetensors
    from prunus.graph import ChannelGroup, channel_groups
    from prunus.measure import MemoryHost, Sample, Variant, measure_latency
    from prunus.models import build_model
    from prunus.prune import apply_masks
    from prunus.report import build_report
    from prunus.sensitivity.curves import Curve, Sensitivity
    from prunus.sensitivity.measuring import measure_sensitivity
    from prunus.sensitivity.suggestion import Suggestion, suggest
    from prunus.spec import (
        Measurement,
        Part,
        Recipe,
        Study,
        Training,
        builtin_recipes,
        builtin_studies,
        load_study,
    )
    from prunus.store import StudyRows, read_study
    from prunus.surgeon import LayerError, Reconstructed, reconstruct
    from prunus.surgery import Plan, Pruned, ShrinkReport, load, recalibrate, save, shrink
    from prunus.sweep.run import Options, Outcome, run_study
    from prunus.train import Pruner

__version__ = "0.1.0"

__all__ = [
    "ChannelGroup",
    "Curve",
    "Dataset",
    "InputError",
    "LayerCost",
    "LayerError",
    "Measurement",
    "MemoryHost",
    "MissingError",
    "NetworkCost",
    "Options",
    "Outcome",
    "Part",
    "Plan",
    "Pruned",
    "Pruner",
    "PrunusError",
    "Recipe",
    "Reconstructed",
    "Sample",
    "Sensitivity",
    "ShrinkReport",
    "Split",
    "StoreError",
    "Study",
    "StudyRows",
    "Suggestion",
    "Training",
    "TrialsFailedError",
    "Variant",
    "WrittenFile",
    "apply_masks",
    "build_model",
    "build_report",
    "builtin_recipes",
    "builtin_studies",
    "channel_groups",
    "count_cost",
    "load",
    "load_data",
    "load_study",
    "measure_latency",
    "measure_sensitivity",
    "prune_channels",
    "read_network",
    "read_study",
    "recalibrate",
    "reconstruct",
    "run_study",
    "save",
    "shrink",
    "suggest",
    "write_onnx",
    "write_safetensors",
]

_CONTENTS = {
    "prunus.spec": (
        "Study", "Recipe", "Training", "Measurement", "Part", "load_study", "builtin_studies", "builtin_recipes",
    ),
    "prunus.sweep.run": ("run_study", "Options", "Outcome"),
    "prunus.store": ("read_study", "StudyRows"),
    "prunus.report": ("build_report",),
    "prunus.data": ("load_data", "Dataset", "Split"),
    "prunus.models": ("build_model",),
    "prunus.prune": ("apply_masks",),
    "prunus.train": ("Pruner",),
    "prunus.channels": ("prune_channels",),
    "prunus.sensitivity.measuring": ("measure_sensitivity",),
    "prunus.sensitivity.curves": ("Sensitivity", "Curve"),
    "prunus.sensitivity.suggestion": ("suggest", "Suggestion"),
    "prunus.surgeon": ("reconstruct", "Reconstructed", "LayerError"),
    "prunus.surgery": ("Pruned", "Plan", "ShrinkReport", "shrink", "recalibrate", "save", "load"),
    "prunus.graph": ("channel_groups", "ChannelGroup"),
    "prunus.cost": ("count_cost", "NetworkCost", "LayerCost"),
    "prunus.measure": ("measure_latency", "Sample", "Variant", "MemoryHost"),
    "prunus.export": ("write_onnx", "write_safetensors", "read_network", "WrittenFile"),
    "prunus.errors": ("PrunusError", "InputError", "TrialsFailedError", "StoreError", "MissingError"),
}  # fmt: skip
_ROOMS = ("sparse",)
_PLACES = {name: module for module, names in _CONTENTS.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name, or a room by its name, where it is asked for first."""
    if name in _ROOMS:
        return import_module(f"prunus.{name}")
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return [*__all__, *_ROOMS, "__version__"]
