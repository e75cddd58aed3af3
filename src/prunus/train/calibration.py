"""The inputs of a data set that criteria look at."""

from __future__ import annotations

import torch

from prunus.data import Dataset
from prunus.prune.evidence import Samples
from prunus.prune.evidence.samples import MOST_INPUTS
from prunus.train.seeds import generator

BATCH_SIZE = 64


def calibration_samples(dataset: Dataset, seed: int, most: int = MOST_INPUTS) -> Samples:
    """So many training inputs, drawn by the seed, in batches of 64; test data choose nothing."""
    order = torch.randperm(len(dataset.train), generator=generator(seed, "calibration"))[:most]
    batches = (dataset.train.take(chosen.to(dataset.train.targets.device)) for chosen in torch.split(order, BATCH_SIZE))
    return Samples(tuple((dataset.prepare(batch.inputs), batch.targets) for batch in batches))
