"""What a compression came to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from prunus.compress.delivering import Delivered
from prunus.compress.judging import Difference, in_words
from prunus.compress.state import Attempt
from prunus.measure.variant import InputKind
from prunus.spec import Metric


@dataclass(frozen=True)
class GroupRow:
    """A row of the table by which widths are chosen: a group, its widths, what each costs and loses.

    costs: of the whole network where this group alone is narrowed. losses: the estimated rise of the loss.
    """

    group: str
    widths: tuple[int, ...]
    costs: tuple[float, ...]
    losses: tuple[float, ...]


@dataclass(frozen=True)
class Compressed:
    """What `compress` returns.

    Attributes:
        model: the smaller network in evaluation mode, on the CPU; the unpruned one where nothing could be gained.
        best: the attempt that it came of; None where nothing could be gained.
        attempts: all that was tried.
        table: what each group of channels costs and loses at several widths.
        metric: of the task.
        margin: by how much the metric may be worse, in the unit in which it is shown.
        unpruned: the metric of the network as it was, on the inputs by which was chosen.
        chosen_by: which inputs these are, in words.
        tested: metrics of the network as it was and of the smaller one on the test inputs, and their difference.
        delivered: files, latencies and memory, as written and measured; None where there is nothing to deliver.
        notes: what else is to be known, in sentences.
        goal: the cost that was to become less: latency_ms, bytes or macs.
        whole: this cost of the unpruned network.
        least: this cost of the narrowest network.
        stopped: whether it was interrupted, and the same call goes on.
        inputs: what the network takes.
        out: the folder with all of it.
    """

    model: nn.Module
    best: Attempt | None
    attempts: tuple[Attempt, ...]
    table: tuple[GroupRow, ...]
    metric: Metric
    margin: float
    unpruned: float
    chosen_by: str
    tested: tuple[float, float, Difference] | None
    delivered: Delivered | None
    notes: tuple[str, ...]
    goal: str
    whole: float
    least: float
    stopped: bool
    inputs: tuple[InputKind, ...]
    out: Path

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    @property
    def sentences(self) -> list[str]:
        """What came out, the most important first."""
        found = [*self._outcome, *self._diverged, *self.notes]
        return [*found, "It was stopped before its end; the same command goes on."] if self.stopped else found

    @property
    def _outcome(self) -> list[str]:
        if self.best is None or self.delivered is None or self.tested is None:
            return [self._nothing]
        before, after, lost = self.tested
        found = [
            f"{time.ratio.mean:.3f} [{time.ratio.low:.3f}, {time.ratio.high:.3f}] of the latency at batch "
            f"{time.batch_size}: {time.before_ms:.3g} ms before, {time.after_ms:.3g} ms after (measured)."
            for time in self.delivered.times
        ]
        unpruned = {file.format: file.size_bytes for file in self.delivered.before}
        if self.goal != "latency_ms" or not found:
            share = self.best.cost / self.whole
            found.insert(0, f"{share:.3f} of the {self.goal}: {self.whole:.4g} before, {self.best.cost:.4g} after.")
        found += [
            f"{100 * file.size_bytes / unpruned[file.format]:.1f} % of the bytes as {file.format}: {file.size_bytes:,}."
            for file in self.delivered.files
            if file.format in unpruned
        ]
        shown = f"{self.metric.text(before)} before, {self.metric.text(after)} after"
        found.append(f"On the test inputs {shown}; {in_words(lost, self.metric)}, with its 95 % interval.")
        if not lost.is_within(self.margin):
            found.append(
                f"On the test inputs it is not shown that the difference is within {self.margin:g}; it was on those by "
                "which was chosen."
                if self.best.difference is not None and self.best.difference.is_within(self.margin)
                else f"That is not shown to be within the margin of {self.margin:g}."
            )
        return found

    @property
    def _diverged(self) -> list[str]:
        """Which networks could not be trained, so that a cost asked for may not have been come to."""
        asked = ", ".join(f"{one.asked:.4g}" for one in self.attempts if one.difference is None)
        if not asked:
            return []
        return [f"Training diverged for {self.goal} = {asked}, so nothing came of that; lower its learning rate."]

    @property
    def _nothing(self) -> str:
        judged = [one for one in self.attempts if one.difference is not None]
        if not judged and self.stopped:
            return "Nothing was tried to its end yet, so there is nothing to have."
        if not judged and self.attempts:
            return "No network was trained to its end, so there is nothing to have."
        if not judged:
            return (
                f"Nothing can be gained by removing channels: with the fewest the network costs "
                f"{self.least / self.whole:.2f} of what it costs unpruned, in {self.goal}."
            )
        nearest = max(judged, key=lambda one: one.difference.mean)  # type: ignore[union-attr]
        assert nearest.difference is not None
        half = nearest.difference.high - nearest.difference.mean
        why = (
            f"{self.chosen_by} tell differences to {half:.2g} only; more of them, or a wider margin, may do"
            if nearest.difference.mean >= -self.margin
            else "a longer budget, or a wider margin, may do"
        )
        return (
            f"Nothing can be gained within the margin of {self.margin:g}: the nearest of {len(judged)} networks costs "
            f"{nearest.cost / self.whole:.2f} of the unpruned one and comes to "
            f"{in_words(nearest.difference, self.metric)}; {why}."
        )
