"""What a network does in training alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch import nn

from prunus.errors import InputError
from prunus.graph.batch import FixedBatchError, larger_batch
from prunus.graph.node import Graph, Ref
from prunus.graph.trace import as_call, trace


def only_in_training(graph: Graph, model: nn.Module, example_inputs: Any) -> tuple[str, ...]:
    """Operations that training adds to what was traced in evaluation mode, such as noise; empty if it can't be traced.

    Batch normalisation and dropout are there in both modes, and do not count.
    """
    try:
        args, kwargs = larger_batch(as_call(example_inputs))  # batch normalisation trains on more than one sample
        trained = trace(model, kwargs or args, train=True)
    except (InputError, FixedBatchError):
        return ()
    added = Counter(_kinds(trained)) - Counter(_kinds(graph))
    return tuple(sorted(added))


def _kinds(graph: Graph) -> list[str]:
    """What is computed, but for batches that are counted."""
    buffers = graph.tensors.buffers
    counters = {name for name, buffer in buffers.items() if buffer.endswith("num_batches_tracked")}
    return [
        node.kind
        for node in graph.nodes
        if not (node.in_place and isinstance(node.args[0], Ref) and node.args[0].name in counters)
    ]
