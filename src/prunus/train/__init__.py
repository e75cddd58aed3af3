"""Training: one short loop and what hooks into it."""

from prunus.train.anatomy import Anatomy
from prunus.train.augment import AUGMENTATIONS
from prunus.train.calibration import calibration_samples
from prunus.train.checkpoint import load_checkpoint, save_checkpoint
from prunus.train.device import pick_device
from prunus.train.evaluate import Evaluation, evaluate
from prunus.train.latency_target import Found, at_rate, find_recipe_rate, latency_wanted
from prunus.train.loop import train
from prunus.train.optimizers import OPTIMIZERS
from prunus.train.pruner import Pruner
from prunus.train.seeds import derive, seed_everything
from prunus.train.shrinking import planned, widen
from prunus.train.state import EpochResult, TrainingState, start

__all__ = [
    "AUGMENTATIONS",
    "OPTIMIZERS",
    "Anatomy",
    "EpochResult",
    "Evaluation",
    "Found",
    "Pruner",
    "TrainingState",
    "at_rate",
    "calibration_samples",
    "derive",
    "evaluate",
    "find_recipe_rate",
    "latency_wanted",
    "load_checkpoint",
    "pick_device",
    "planned",
    "save_checkpoint",
    "seed_everything",
    "start",
    "train",
    "widen",
]
