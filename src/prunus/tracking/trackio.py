"""Trackio, in its SQLite files on this machine: `trackio show --project PROJECT`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from prunus.tracking.tracker import Ended, Entry, TrackedTrial, Tracker


class Trackio(Tracker):
    """A run of Trackio for each trial, where Trackio keeps all of them, or in `folder`."""

    packages: ClassVar[tuple[str, ...]] = ("trackio",)
    extra: ClassVar[str] = "trackio"
    lone: ClassVar[str] = "project"

    project: str
    folder: str = ""

    def open(self, trial: TrackedTrial, handle: str) -> Entry:  # noqa: ARG002  # its name finds it again
        """A run called as the trial, in the group of the study."""
        if self.folder:  # read when the package is imported
            os.environ["TRACKIO_DIR"] = str(trial.folder / os.path.expanduser(self.folder))  # noqa: PTH111
        import trackio

        run = trackio.init(
            project=self.project,
            name=f"{trial.label} ({trial.digest[:8]})",
            group=trial.study,
            config=dict(trial.settings),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        return _Run(run)


class _Run(Entry):
    def __init__(self, run: Any) -> None:
        self.run, self.last = run, 0

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=number)
        self.last = number

    def end(self, how: Ended, values: Mapping[str, float]) -> None:
        self.run.log(
            {**{f"final/{name}": value for name, value in values.items()}, "failed": how == "failed"}, step=self.last
        )
        self.run.finish()

    def pause(self) -> None:
        self.run.finish()
