"""What is measured of the final networks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from prunus.spec.part import Frozen


class Measurement(Frozen):
    """Which final networks are exported and measured, and how.

    select: `first` takes the first seed of every recipe and rate, `all` every trial, `none` nothing.
    rounds: timed runs per variant; variants are interleaved within a round, after `warmup` untimed rounds.
    weight_bits, activation_bits: what BOPs are counted with (32 for fp32).
    """

    select: Literal["first", "all", "none"] = "first"
    runtimes: tuple[str, ...] = ("torch", "onnxruntime", "prunus")
    batch_sizes: tuple[int, ...] = (1, 64)
    threads: tuple[int, ...] = (1,)
    rounds: int = Field(default=40, ge=30)
    warmup: int = Field(default=5, ge=1)
    memory: bool = True
    weight_bits: int = Field(default=32, ge=1, le=64)
    activation_bits: int = Field(default=32, ge=1, le=64)
