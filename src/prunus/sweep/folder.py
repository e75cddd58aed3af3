"""Where things lie in a study's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StudyFolder:
    """The folder of one study.

    study.sqlite: the store. study.json: the resolved study. log.txt: what trials print, and tracebacks.
    trials/DIGEST/: `result.json` (rows), `checkpoint.safetensors` (while unfinished), and the final network:
    `model.safetensors` (what was cut out of it stands in its header), `model.onnx`, and `model.prunus`, packed;
    `lease`: whose word counts.
    latency_targets.json: the rates that were found for latencies.
    payoff/: rows of measurements, by block. words/: what workers on other machines say, while they are at it.
    """

    path: Path

    @property
    def study(self) -> Path:
        """The resolved study, read by workers."""
        return self.path / "study.json"

    @property
    def log(self) -> Path:
        """What trials print."""
        return self.path / "log.txt"

    def trial(self, digest: str) -> Path:
        """The folder of one trial."""
        return self.path / "trials" / digest

    def result(self, digest: str) -> Path:
        """The rows of one trial; it is there exactly when the trial is finished."""
        return self.trial(digest) / "result.json"

    def checkpoint(self, digest: str) -> Path:
        """Where an unfinished trial goes on from."""
        return self.trial(digest) / "checkpoint.safetensors"

    def weights(self, digest: str) -> Path:
        """The final network."""
        return self.trial(digest) / "model.safetensors"

    def onnx(self, digest: str) -> Path:
        """The final network for other runtimes."""
        return self.trial(digest) / "model.onnx"

    def packed(self, digest: str) -> Path:
        """The final network for the sparse runtime."""
        return self.trial(digest) / "model.prunus"

    def lease(self, digest: str) -> Path:
        """Which worker the trial is lent to."""
        return self.trial(digest) / "lease"

    @property
    def conditions(self) -> Path:
        """Under which code, data and versions the study is run, for workers on other machines."""
        return self.path / "conditions.json"

    @property
    def latency_targets(self) -> Path:
        """The rates at which recipes have the latencies that they are to come to."""
        return self.path / "latency_targets.json"

    def words(self, token: str) -> Path:
        """What the worker of a lease says, where it cannot be heard directly."""
        return self.path / "words" / f"{token}.jsonl"

    def payoff(self, block: str) -> Path:
        """The rows of one block of measurements."""
        return self.path / "payoff" / f"{block}.json"
