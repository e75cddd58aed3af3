"""TensorBoard, by its event files: `tensorboard --logdir studies/NAME/tensorboard`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from prunus.tracking.tracker import Ended, Entry, TrackedTrial, Tracker


class TensorBoard(Tracker):
    """Event files that TensorBoard reads, a folder for each trial; `folder` is that of the study by default."""

    packages: ClassVar[tuple[str, ...]] = ("tensorboard",)
    extra: ClassVar[str] = "tensorboard"
    lone: ClassVar[str] = "folder"

    folder: str = ""

    def open(self, trial: TrackedTrial, handle: str) -> Entry:  # noqa: ARG002  # the folder is the same again
        """A further file in the trial's folder."""
        folder = Path(self.folder or trial.folder / "tensorboard").expanduser()
        return _Events(folder / trial.study / trial.label.replace("/", "_"))


class _Events(Entry):
    def __init__(self, folder: Path) -> None:
        from tensorboard.summary import Writer

        self.writer: Any = Writer(str(folder))
        self.last = 0

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, number)
        self.writer.flush()
        self.last = number

    def end(self, how: Ended, values: Mapping[str, float]) -> None:  # noqa: ARG002  # it knows no ends
        for name, value in values.items():
            self.writer.add_scalar(f"final/{name}", value, self.last)
        self.writer.close()

    def pause(self) -> None:
        self.writer.close()
