"""How a training is divided for a schedule, whose events lie between epochs."""

from __future__ import annotations

import math

from prunus.errors import InputError

PARTS = 10
"""Into so many parts a training of one epoch is divided, or else all would be pruned at its end."""


def divided(total_steps: float, epochs: float, asked: int | None) -> tuple[int, int]:
    """Epochs for the pruner, and optimiser steps of each. asked: so many parts, whatever the trainer's epochs are.

    >>> divided(100, 5, None), divided(100, 1, None), divided(100, 5, 20), divided(4, 1, None)
    ((5, 20), (10, 10), (20, 5), (4, 1))

    Raises `InputError` for a training whose length is not known.
    """
    if not math.isfinite(total_steps) or total_steps < 1:
        raise InputError(
            "The length of the training is not known",
            "a schedule says at which share of it what is pruned",
            "give the trainer a number of epochs or of steps",
        )
    parts = min(asked or (int(epochs) if epochs >= 2 else PARTS), int(total_steps))
    return parts, int(total_steps) // parts
