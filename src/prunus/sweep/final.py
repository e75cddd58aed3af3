"""The final network of a trial: cut where its channels are gone for good, written, and read again; and its rows."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import nn

from prunus.channels import ChannelCutter, Plan
from prunus.cost import NetworkCost
from prunus.data import Dataset
from prunus.errors import PrunusError
from prunus.export import WrittenFile, write_integers, write_safetensors
from prunus.measure import ModelBuilder, named_model
from prunus.prune import PrunableLayer
from prunus.quantization import Scheme, check_layers, detach, reattach
from prunus.spec import Trial
from prunus.store import INTEGERS_FORMAT, ClassRow, CostRow, FileRow, LayerRow, MetricRow, ProblemRow
from prunus.sweep.folder import StudyFolder
from prunus.sweep.loaded import Loaded
from prunus.tasks import ClassCounts
from prunus.tasks.batch import shape_of
from prunus.train import EpochResult, Pruner, TrainingState, evaluate, planned, widen


def cost_row(trial: Trial, cost: NetworkCost, shrink_deviation: float | None) -> CostRow:
    """The totals. `shrink_deviation` is None where the network was not cut."""
    return CostRow(
        trial=trial.digest,
        parameters=cost.parameters,
        nonzero_parameters=cost.nonzero_parameters,
        prunable_weights=cost.prunable_weights,
        nonzero_weights=cost.nonzero_weights,
        dense_macs=cost.dense_macs,
        effective_macs=cost.effective_macs,
        dense_bops=cost.dense_bops,
        effective_bops=cost.effective_bops,
        shrunk=shrink_deviation is not None,
        shrink_deviation=_largest(shrink_deviation),
        not_counted=json.dumps(sorted(cost.not_counted)),
    )


def layer_rows(trial: Trial, cost: NetworkCost, pruner: Pruner) -> Iterator[LayerRow]:
    """One row per layer in the order of execution."""
    known = {layer.name: layer for layer in pruner.layers}
    for position, layer in enumerate(cost.layers):
        prunable = known.get(layer.layer)
        asked = trial.recipe is not None and prunable is not None and layer.layer not in pruner.scope.protected
        yield LayerRow(
            trial=trial.digest,
            position=position,
            layer=layer.layer,
            kind=layer.kind,
            protected=layer.layer in pruner.scope.protected,
            output=prunable is not None and prunable.output,
            rate=trial.rate if asked else None,
            weights=layer.weights,
            nonzero_weights=layer.nonzero_weights,
            units=layer.units,
            empty_units=layer.empty_units,
            dense_macs=layer.dense_macs,
            effective_macs=layer.effective_macs,
            dense_bops=layer.dense_bops,
            effective_bops=layer.effective_bops,
            weight_bits=layer.weight_bits,
            activation_bits=layer.activation_bits,
        )


def file_row(digest: str, file: WrittenFile, folder: StudyFolder) -> FileRow:
    """A file written for the final network."""
    return FileRow(
        trial=digest,
        format=file.format,
        path=str(file.path.relative_to(folder.path)),
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        deviation=_largest(file.deviation),
    )


def _largest(deviation: float | None) -> float | None:
    """A deviation that is NaN, of outputs that are NaN, is beyond any bound; None stands for what was not compared."""
    return math.inf if deviation is not None and math.isnan(deviation) else deviation


def test_rows(trial: Trial, dataset: Dataset, model: nn.Module, state: TrainingState) -> Iterator[MetricRow | ClassRow]:
    """What the final network makes of the test data, beside the metric; of a classification, of each class."""
    device = next(model.parameters()).device
    tested = evaluate(model, dataset, dataset.test, device, state.task, every_measure=True)
    for name, value in list(tested.values.items())[1:]:
        yield MetricRow(trial.digest, name, value)
    if tested.counts is not None:
        yield from _class_rows(trial, dataset, tested.counts, model, state.pruner.layers)


def _class_rows(
    trial: Trial, dataset: Dataset, counts: ClassCounts, model: nn.Module, layers: tuple[PrunableLayer, ...]
) -> Iterator[ClassRow]:
    cut_off = _rows_without_weights(model, layers, len(dataset.classes))
    columns = zip(dataset.classes, *counts.by_class(len(dataset.classes)), cut_off, strict=True)
    for index, (name, test, called, right, zero) in enumerate(columns):
        yield ClassRow(trial.digest, index, name, test, called, right, zero)


def loss_problems(trial: Trial, epochs: Sequence[EpochResult]) -> list[ProblemRow]:
    """That the final network's loss on the test data is no finite number, where it is none."""
    if not epochs or math.isfinite(epochs[-1].test_loss):
        return []
    if trial.train is not None and math.isnan(epochs[-1].test_loss):
        return []  # a loop of one's own need not report it
    what = (
        f"The loss on the test data was {epochs[-1].test_loss} after the last epoch; outputs that are NaN name no class"
    )
    return [ProblemRow(trial.digest, "evaluation", "NotFinite", what)]


def _rows_without_weights(model: nn.Module, layers: tuple[PrunableLayer, ...], classes: int) -> list[bool]:
    """Per class, whether its row of the output layer is all zeros; False where rows are not classes."""
    output = next((layer for layer in layers if layer.output and not layer.computed), None)
    weight = model.get_parameter(output.weight).detach() if output else torch.ones(0)
    if len(weight) != classes:
        return [False] * classes
    return [not bool(row.any()) for row in weight]


@dataclass(frozen=True)
class FinalNetwork:
    """A trained and pruned network in evaluation mode on the CPU.

    deviation: where it was cut, the largest |masked - cut| output relative to the largest output; else None.
    files: that hold it. scheme: of one that is quantised, whose weights are rounded already.
    """

    model: nn.Module
    deviation: float | None
    files: tuple[WrittenFile, ...]
    problems: tuple[ProblemRow, ...]
    scheme: Scheme

    @cached_property
    def tested(self) -> nn.Module:
        """The network as it computes: with rounded inputs where it is quantised."""
        if not self.scheme:
            return self.model
        quantized = copy.deepcopy(self.model)
        reattach(quantized, self.scheme)
        return quantized


def finish(state: TrainingState, trial: Trial, loaded: Loaded, folder: StudyFolder) -> FinalNetwork:
    """Cut the trained network where its channels are gone for good, and write it, quantised or not.

    A cut that is refused is a problem row; the masked network is then the final one.
    """
    model = widen(state).to("cpu").to(memory_format=torch.contiguous_format).eval()
    scheme, deviation, problems = detach(model), None, list(_left_problems(trial, state.pruner))
    if _cuttable(trial, state.pruner):
        try:
            scope, plan = state.pruner.scope, planned(state.pruner)
            cutter = scope.cutter or ChannelCutter(model, loaded.example, outputs=scope.outputs)
            small = cutter.shrink(model, plan)
            cut_scheme = _cut(scheme, plan)
            check_layers(small.model, cut_scheme)
            model, deviation, scheme = small.model.eval(), small.deviation, cut_scheme
        except PrunusError as error:
            problems.append(ProblemRow(trial.digest, "shrink", type(error).__name__, str(error)))
    file = write_safetensors(model, folder.network(trial.digest))
    final = FinalNetwork(model, deviation, (file,), tuple(problems), scheme)
    if not scheme:
        return final
    integers = write_integers(final.tested, folder.network(trial.digest, INTEGERS_FORMAT))
    return replace(final, files=(file, integers))


def _cut(scheme: Scheme, plan: Plan) -> Scheme:
    """The scheme of the network without the outputs that a plan takes."""
    cuts = plan.by_tensor()
    return {name: one.without_outputs(cuts.get(f"{name}.weight", {}).get(0, ())) for name, one in scheme.items()}


def _left_problems(trial: Trial, pruner: Pruner) -> Iterator[ProblemRow]:
    """A row for each layer that was asked for fewer bits and keeps 32."""
    left = pruner.quantization.precisions.left if pruner.quantization else {}
    for name, why in left.items():
        what = f"The layer '{name}' keeps 32 bits: {why}"
        yield ProblemRow(trial.digest, "quantize", "NotQuantized", what)


def builder(trial: Trial, loaded: Loaded) -> ModelBuilder:
    """How any process builds the unpruned network of a trial, which the final one's file is cut from and read into."""
    return named_model(trial.model, shape_of(loaded.example), loaded.task.output_size(loaded.dataset))


def _cuttable(trial: Trial, pruner: Pruner) -> bool:
    recipe = trial.recipe
    channels = recipe is not None and recipe.pattern.name == "channel" and recipe.permanence == "permanent"
    return channels and any(bool(units.any()) for units in pruner.gone.values())
