"""Random numbers: every use has a seed of its own, derived from the trial's seed and the use's name."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch


def derive(seed: int, *use: object) -> int:
    """A seed for one use (`"order", epoch`), independent of all others; equal arguments give equal seeds.

    Since no use draws from another's numbers, recipes of one seed see the same batches whatever else they draw, and a
    resumed epoch needs no saved generator.
    """
    text = "/".join(str(part) for part in (seed, *use))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def generator(seed: int, *use: object) -> torch.Generator:
    """A CPU generator for one use."""
    return torch.Generator().manual_seed(derive(seed, *use))


def seed_everything(seed: int, *use: object) -> None:
    """Seed torch's, NumPy's and Python's global generators for one use."""
    value = derive(seed, *use)
    torch.manual_seed(value)
    np.random.seed(value % 2**32)  # a user's code may draw from the global generator
    random.seed(value)
