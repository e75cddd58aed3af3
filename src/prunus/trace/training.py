"""What a network does in training alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from torch import nn

from prunus.errors import InputError
from prunus.graph.node import Graph, Ref, TensorType
from prunus.trace.batch import FixedBatchError, larger_batch
from prunus.trace.trace import as_call, trace


@dataclass(frozen=True)
class TrainingDifference:
    """What a network does otherwise in training mode than was traced in evaluation mode.

    added: operations that are done in training alone, such as noise. Batch normalisation and dropout do not count.
    other_results: whether it returns something else then, as a detector returns maps in place of boxes.
    """

    added: tuple[str, ...] = ()
    other_results: bool = False


def training_difference(graph: Graph, model: nn.Module, example_inputs: Any) -> TrainingDifference:
    """The network in training mode against its graph; no difference where it can't be traced in training."""
    try:
        args, kwargs = larger_batch(as_call(example_inputs))  # batch normalisation trains on more than one sample
        trained = trace(model, kwargs or args, train=True)
    except (InputError, FixedBatchError):
        return TrainingDifference()
    added = Counter(_kinds(trained)) - Counter(_kinds(graph))
    return TrainingDifference(tuple(sorted(added)), _results(trained) != _results(graph))


def _results(graph: Graph) -> tuple[Any, list[int]]:
    """How the results are nested, and how many dimensions each has."""
    types = graph.types | {node.name: node.output for node in graph.nodes}
    found = (types.get(output.name) if isinstance(output, Ref) else None for output in graph.outputs)
    ranks = [len(kind.shape) if isinstance(kind, TensorType) else -1 for kind in found]
    return graph.output_structure, ranks


def _kinds(graph: Graph) -> list[str]:
    """What is computed, but for batches that are counted."""
    buffers = graph.tensors.buffers
    counters = {name for name, buffer in buffers.items() if buffer.endswith("num_batches_tracked")}
    return [
        node.kind
        for node in graph.nodes
        if not (node.in_place and isinstance(node.args[0], Ref) and node.args[0].name in counters)
    ]
