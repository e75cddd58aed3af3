"""Running a network on a split of a data set, and the inputs of one that criteria look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from prunus.data import Dataset, Split
from prunus.data.stream import Stream
from prunus.errors import InputError
from prunus.prune.evidence import Samples
from prunus.prune.evidence.samples import MOST_INPUTS
from prunus.system.quiet import quiet
from prunus.tasks import ClassCounts, Measure, Task
from prunus.tasks.batch import as_taken
from prunus.train.batches import CLASSIFICATION, batches
from prunus.train.seeds import generator


@dataclass(frozen=True)
class Evaluation:
    """What a network is on a split.

    loss: the mean over what the task counts. metric: by which networks of the task are compared. values: all that was
    measured, by name; the first is the metric. counts: of right answers, where the task counts them.
    """

    loss: float
    metric: float
    values: Mapping[str, float]
    counts: ClassCounts | None

    @property
    def correct(self) -> int | None:
        """Right answers of a classification."""
        return self.counts.correct if self.counts else None

    @property
    def total(self) -> int | None:
        """Inputs of a classification."""
        return self.counts.total if self.counts else None


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    dataset: Dataset,
    split: Split | Stream,
    device: torch.device,
    task: Task = CLASSIFICATION,
    *,
    every_measure: bool = False,
) -> Evaluation:
    """Run the network in evaluation mode over a split, in batches of 200; its mode is put back.

    every_measure: not only the first one, by which networks are compared.
    """
    training = model.training
    model.eval()
    loss, count = torch.zeros((), dtype=torch.float64), 0
    measures = dict(list(task.measures(dataset).items())[: None if every_measure else 1])
    for measure in measures.values():
        if isinstance(measure, nn.Module):
            measure.to(device)
    for inputs, targets in batches(dataset, split, device, task=task):
        outputs, batch_loss = task.tested(model, inputs, targets)
        loss += batch_loss.cpu()
        count += task.count(targets)
        found, wanted = task.measured(outputs, targets)
        for measure in measures.values():
            measure.update(found, wanted)
    model.train(training)
    if not count:
        raise InputError("There is nothing to test on", "no target of the test data counts", "give some")
    values = _values(measures, dataset.classes)
    counts = next(iter(measures.values()))
    return Evaluation(
        loss=float(loss) / count,
        metric=next(iter(values.values())),
        values=values,
        counts=counts if isinstance(counts, ClassCounts) else None,
    )


def _values(measures: Mapping[str, Measure], classes: Sequence[str]) -> dict[str, float]:
    """What the measures come to: numbers by name; of several values, each with its own name, class or place."""
    found: dict[str, float] = {}
    for name, measure in measures.items():
        try:
            with quiet():  # of classes that nothing is of
                value = tree_map_only(Tensor, Tensor.tolist, measure.compute())
        except (ValueError, ZeroDivisionError, RuntimeError) as error:
            raise InputError(
                f"The metric {name!r} cannot be computed", str(error), "give more test data, or another metric"
            ) from error
        if isinstance(value, list):
            names = classes if len(classes) == len(value) else range(len(value))
            value = dict(zip(names, value, strict=True))
        several = {f"{name} {key}".strip(): each for key, each in value.items()} if isinstance(value, Mapping) else {}
        found |= {key: float(each) for key, each in (several or {name: value}).items()}
    return found


CALIBRATION_BATCH = 64


def calibration_samples(dataset: Dataset, seed: int, most: int = MOST_INPUTS, task: Task = CLASSIFICATION) -> Samples:
    """So many training inputs, drawn by the seed, in batches of 64; test data choose nothing."""
    train, cpu, draws = dataset.train, torch.device("cpu"), generator(seed, "calibration")
    if isinstance(train, Split):
        order = torch.randperm(len(train), generator=draws)[:most]
        parts = (train.take(chosen) for chosen in torch.split(order, CALIBRATION_BATCH))
        drawn: Iterator[Any] = ((part.inputs, part.targets) for part in parts)
    else:
        drawn = train.drawn(most, CALIBRATION_BATCH, draws, task.collate())
    return Samples(tuple(as_taken(dataset, train, batch, cpu, task) for batch in drawn), loss_of=task.batch_loss)
