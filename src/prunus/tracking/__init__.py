"""Telling other programs of a study: TensorBoard, MLflow, Weights & Biases, Trackio, and Optuna's storage.

A tracker reads what the store has acknowledged, from a process of its own, so that nothing of a result depends on it:
one that is slow, fails or hangs costs its own entries and a warning. To add one: a frozen class in a file of its own,
and one line here. Importing this package imports none of these programs.

What stays out: torch, and running trials.
"""

from prunus.tracking.mlflow import Mlflow
from prunus.tracking.tensorboard import TensorBoard
from prunus.tracking.tracker import TRACKERS, Entry, TrackedTrial, Tracker, trackers_of
from prunus.tracking.trackio import Trackio
from prunus.tracking.wandb import WeightsAndBiases

TRACKERS.register("tensorboard", TensorBoard)
TRACKERS.register("mlflow", Mlflow)
TRACKERS.register("wandb", WeightsAndBiases)
TRACKERS.register("trackio", Trackio)

__all__ = ["TRACKERS", "Entry", "TrackedTrial", "Tracker", "trackers_of"]
