"""Weights & Biases, offline unless it is told otherwise: `wandb sync studies/NAME/wandb/offline-run-*`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from prunus.tracking.tracker import Ended, Entry, TrackedTrial, Tracker


class WeightsAndBiases(Tracker):
    """A run of Weights & Biases for each trial, in the study's folder; `mode = "online"` sends it to the server."""

    packages: ClassVar[tuple[str, ...]] = ("wandb",)
    extra: ClassVar[str] = "wandb"
    lone: ClassVar[str] = "project"

    project: str
    mode: Literal["offline", "online"] = "offline"

    def open(self, trial: TrackedTrial, handle: str) -> Entry:  # noqa: ARG002  # the trial's digest finds it again
        """A run with the trial's digest as its id, in the group of the study."""
        import wandb

        quietly = wandb.Settings(silent=True, console="off", x_disable_meta=True, x_disable_stats=True)
        run = wandb.init(
            project=self.project,
            mode=self.mode,
            id=trial.digest,
            name=trial.label,
            group=trial.study,
            config=dict(trial.settings),
            dir=str(trial.folder),
            resume="allow",
            reinit="create_new",
            settings=quietly,
        )
        return _Run(run)


class _Run(Entry):
    def __init__(self, run: Any) -> None:
        self.run = run

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=number)

    def end(self, how: Ended, values: Mapping[str, float]) -> None:
        self.run.summary.update({f"final.{name}": value for name, value in values.items()})
        self.run.finish(exit_code=0 if how == "finished" else 1)

    def pause(self) -> None:
        self.run.finish(exit_code=255)
