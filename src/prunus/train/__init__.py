"""Training: one short loop and what hooks into it: pruning, evaluation, checkpoints, records.

What stays out: choosing what to prune with, which is the recipe's, and studies. One network is trained here, for
whoever asks.
"""

from prunus.channels.latency_target import Found
from prunus.tasks.batch import Batch
from prunus.train.augment import AUGMENTATIONS
from prunus.train.batches import batches, training_batches
from prunus.train.checkpoint import checkpoint_bytes, fingerprint, load_checkpoint, save_checkpoint
from prunus.train.evaluate import Evaluation, calibration_samples, evaluate
from prunus.train.loop import pick_device, train, training_loss
from prunus.train.object_state import NotRestorableError
from prunus.train.optimizers import OPTIMIZERS
from prunus.train.pruner import Pruner
from prunus.train.recipe_latency import at_rate, find_recipe_rate, latency_wanted
from prunus.train.scope import PruningScope
from prunus.train.seeds import derive, generator, seed_everything
from prunus.train.shrinking import planned, training_macs, widen
from prunus.train.state import EpochResult, TrainingState, start

__all__ = [
    "AUGMENTATIONS",
    "OPTIMIZERS",
    "Batch",
    "EpochResult",
    "Evaluation",
    "Found",
    "NotRestorableError",
    "Pruner",
    "PruningScope",
    "TrainingState",
    "at_rate",
    "batches",
    "calibration_samples",
    "checkpoint_bytes",
    "derive",
    "evaluate",
    "find_recipe_rate",
    "fingerprint",
    "generator",
    "latency_wanted",
    "load_checkpoint",
    "pick_device",
    "planned",
    "save_checkpoint",
    "seed_everything",
    "start",
    "train",
    "training_batches",
    "training_loss",
    "training_macs",
    "widen",
]
