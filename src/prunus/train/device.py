"""Where a network is trained."""

from __future__ import annotations

import torch

from prunus.errors import MissingError


def pick_device(name: str) -> torch.device:
    """`cpu`, `cuda`, `cuda:1`, `mps`, or `auto`: the first of cuda, mps and cpu that this machine has.

    Raises `MissingError` if the device asked for is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, available in there.items() if available)
    kind, _, index = name.partition(":")
    if not there[kind] or (index and int(index) >= torch.cuda.device_count()):
        raise MissingError(
            f"There is no device '{name}'",
            "torch does not find it on this machine",
            'set training.device to "cpu" or "auto"',
        )
    return torch.device(name)
