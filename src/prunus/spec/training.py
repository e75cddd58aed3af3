"""How a network is trained: the same for every trial of a study."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from prunus.spec.part import Frozen, Part


class Training(Frozen):
    """Settings of the training loop.

    learning_rate_schedule: `constant`, `cosine` (to zero over the epochs) or `step` (times 0.1 at 50 % and 75 %).
    augment: applied to each training batch, in order (`crop`, `flip`).
    threads: intra-operation threads of one trial. One thread per trial and one trial per core is fastest on CPUs.
    """

    epochs: int = Field(default=50, ge=0)
    batch_size: int = Field(default=128, ge=1)
    optimizer: Part = Part(name="adam")
    learning_rate: float = Field(default=1e-3, gt=0)
    learning_rate_schedule: Literal["constant", "cosine", "step"] = "constant"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    augment: tuple[Part, ...] = ()
    device: str = Field(default="cpu", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = True
    threads: int = Field(default=1, ge=1)
