"""What a worker is told to do, as it travels: names alone, never code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Job:
    """A trial and the token of its lease, a block of measurements, or neither: to get ready.

    gpus: those that it may use, as `CUDA_VISIBLE_DEVICES` names them; None: as they come.
    """

    trial: str = ""
    token: str = ""
    block: dict[str, Any] = field(default_factory=dict)
    gpus: list[str] | None = None
