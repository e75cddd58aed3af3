"""A trial's final network in rows: its cost, its layers, its classes, its files."""

from __future__ import annotations

import json
from collections.abc import Iterator

import torch
from torch import nn

from prunus.cost import NetworkCost
from prunus.data import Dataset
from prunus.export import WrittenFile
from prunus.prune import PrunableLayer
from prunus.spec import Trial
from prunus.store import ClassRow, CostRow, FileRow, LayerRow
from prunus.sweep.folder import StudyFolder
from prunus.train import Pruner, evaluate


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
        shrink_deviation=shrink_deviation,
        not_counted=json.dumps(sorted(cost.not_counted)),
    )


def layer_rows(trial: Trial, cost: NetworkCost, pruner: Pruner) -> Iterator[LayerRow]:
    """One row per layer in the order of execution."""
    known = {layer.name: layer for layer in pruner.layers}
    for position, layer in enumerate(cost.layers):
        prunable = known.get(layer.layer)
        asked = trial.recipe is not None and prunable is not None and layer.layer not in pruner.anatomy.protected
        yield LayerRow(
            trial=trial.digest,
            position=position,
            layer=layer.layer,
            kind=layer.kind,
            protected=layer.layer in pruner.anatomy.protected,
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
        )


def file_row(digest: str, file: WrittenFile, folder: StudyFolder) -> FileRow:
    """A file written for the final network."""
    return FileRow(
        trial=digest,
        format=file.format,
        path=str(file.path.relative_to(folder.path)),
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        deviation=file.deviation,
    )


def class_rows(
    trial: Trial, dataset: Dataset, model: nn.Module, layers: tuple[PrunableLayer, ...]
) -> Iterator[ClassRow]:
    """What the final network makes of each class of the test data."""
    predictions = evaluate(model, dataset, dataset.test, next(model.parameters()).device).predictions
    targets = dataset.test.targets.cpu()
    cut_off = _rows_without_weights(model, layers, len(dataset.classes))
    for index, name in enumerate(dataset.classes):
        yield ClassRow(
            trial=trial.digest,
            class_index=index,
            class_name=name,
            test_count=int((targets == index).sum()),
            predicted_count=int((predictions == index).sum()),
            correct_count=int(((targets == index) & (predictions == index)).sum()),
            output_row_zero=cut_off[index],
        )


def _rows_without_weights(model: nn.Module, layers: tuple[PrunableLayer, ...], classes: int) -> list[bool]:
    """Per class, whether its row of the output layer is all zeros; False where rows are not classes."""
    output = next((layer for layer in layers if layer.output and not layer.computed), None)
    weight = model.get_parameter(output.weight).detach() if output else torch.ones(0)
    if len(weight) != classes:
        return [False] * classes
    return [not bool(row.any()) for row in weight]
