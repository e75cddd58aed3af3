"""Where things lie in a study's folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prunus.measure import network_path
from prunus.store import NETWORK_FORMAT


@dataclass(frozen=True)
class StudyFolder:
    """The folder of one study.

    study.sqlite: the store. study.json: the resolved study. log.txt: what trials print, and tracebacks.
    trials/DIGEST/: `result.json` (rows), `checkpoint.safetensors` (while unfinished), and the final network:
    `model.safetensors` (what was cut out of it stands in its header), and `model.FORMAT` for the format of each runtime
    that it is measured on; `lease`: whose word counts.
    file_digests.json: of the files that the study's own code opens.
    latency_targets.json: the rates that were found for latencies.
    measurements/: rows of measurements, by block. words/: what workers on other machines say, while they are at it.
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

    def network(self, digest: str, file_format: str = NETWORK_FORMAT) -> Path:
        """The final network, as its trial wrote it, or in the format of a runtime."""
        return network_path(self.trial(digest), file_format)

    def other_formats(self, digest: str) -> Iterator[Path]:
        """Files and folders that were made of the final network, for runtimes."""
        own = self.network(digest)
        return (path for path in own.parent.glob(f"{own.stem}.*") if path != own)

    def lease(self, digest: str) -> Path:
        """Which worker the trial is lent to."""
        return self.trial(digest) / "lease"

    @property
    def conditions(self) -> Path:
        """Under which code, data and versions the study is run, for workers on other machines."""
        return self.path / "conditions.json"

    @property
    def file_digests(self) -> Path:
        """Digests of the files that the study's own code opens, so that large ones are read once."""
        return self.path / "file_digests.json"

    @property
    def latency_targets(self) -> Path:
        """The rates at which recipes have the latencies that they are to come to."""
        return self.path / "latency_targets.json"

    def words(self, token: str) -> Path:
        """What the worker of a lease says, where it cannot be heard directly."""
        return self.path / "words" / f"{token}.jsonl"

    def measurements(self, block: str) -> Path:
        """The rows of one block of measurements."""
        return self.path / "measurements" / f"{block}.json"
