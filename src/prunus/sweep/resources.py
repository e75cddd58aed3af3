"""What one trial gets of a machine, and how many trials a machine takes at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prunus.spec import Study

GPUS_OF_NVIDIA = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True)
class Resources:
    """What one trial may take. memory_bytes, seconds: limits; 0 is none."""

    cores: int = 1
    gpus: int = 0
    memory_bytes: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, study: Study) -> Resources:
        """What the study asks for; if it says nothing, as many cores as threads, and a GPU where it trains on any."""
        asked = study.execution
        on_gpu = study.training.device == "cuda"  # `cuda:1` names one for all
        return cls(
            cores=asked.cores or study.training.threads,
            gpus=asked.gpus or int(on_gpu),
            memory_bytes=round(asked.memory_gib * 2**30),
            seconds=asked.time_limit_seconds,
        )

    def fit(self, cores: int, gpus: int) -> int:
        """How many trials at once; one at least: what it lacks is told when the trial is to begin.

        >>> Resources(cores=2).fit(cores=8, gpus=0), Resources(cores=16).fit(cores=8, gpus=0)
        (4, 1)
        >>> Resources(cores=2, gpus=1).fit(cores=8, gpus=2), Resources(gpus=1).fit(cores=8, gpus=0)
        (2, 1)
        """
        by_cores = cores // self.cores
        return max(1, min(by_cores, gpus // self.gpus) if self.gpus else by_cores)


def machine_gpus() -> Sequence[str]:
    """The GPUs that processes here may use, as `CUDA_VISIBLE_DEVICES` names them, without loading torch."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name.strip()]
    try:
        return [str(index) for index, _ in enumerate(GPUS_OF_NVIDIA.iterdir())]
    except OSError:
        return []
