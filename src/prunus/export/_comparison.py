"""Running a written file again and comparing it with the model it was made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from prunus.errors import PrunusError
from prunus.export.example import at_batch, class_name
from prunus.system.onnx_session import open_session

Array = npt.NDArray[Any]
Rerun = Callable[[Sequence[Array]], Sequence[Array]]
"""Runs a written network: inputs -> all of its outputs."""
LIMIT = 1e-4
"""The largest deviation at which a file still counts as the same network."""


def checked(kind: str, run: Rerun, model: nn.Module, inputs: Sequence[Tensor]) -> float:
    """Largest deviation of a file of this kind from the model, which is on the CPU.

    Raises `PrunusError` where it is not the same network, or where the model's own outputs are not finite.
    """
    largest = largest_deviation(run, model, inputs)
    if largest > LIMIT:
        raise PrunusError(
            f"The {kind} file of {class_name(model)} does not compute what the network does",
            f"its outputs differ by {largest:.1e} of the largest one, and {LIMIT:.0e} is the limit",
            "it was not written; please report the network",
        )
    return largest


def largest_deviation(run: Rerun, model: nn.Module, inputs: Sequence[Tensor], batches: Sequence[int] = (1, 3)) -> float:
    """Largest deviation from the model, over random inputs of these batch sizes."""
    largest = 0.0
    for batch in batches:
        given = at_batch(inputs, batch, seed=batch)
        expected = outputs(model, given)
        found = run([tensor.numpy() for tensor in given])
        largest = max(largest, deviation(expected, [np.asarray(array) for array in found]))
    return largest


def onnx_run(content: bytes, *, optimised: bool = True) -> Rerun:
    """Runs an ONNX file in ONNX Runtime, as it would be used, or operation by operation as it is defined."""
    from onnxruntime import GraphOptimizationLevel  # type: ignore[attr-defined]

    level = GraphOptimizationLevel.ORT_ENABLE_ALL if optimised else GraphOptimizationLevel.ORT_DISABLE_ALL
    session = open_session(content, graph_optimization_level=level)
    names = [node.name for node in session.get_inputs()]
    return lambda arrays: session.run(None, dict(zip(names, arrays, strict=True)))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Within, the model is in evaluation mode."""
    modes = {module: module.training for module in model.modules()}
    try:
        yield model.eval()
    finally:
        for module, mode in modes.items():
            module.training = mode


def outputs(model: nn.Module, inputs: Sequence[Tensor]) -> list[Array]:
    """All tensors that the model returns in evaluation mode, as arrays."""
    with torch.no_grad(), evaluating(model):
        leaves = tree_leaves(model(*inputs))
    return [leaf.numpy() for leaf in leaves if isinstance(leaf, Tensor)]


def deviation(expected: Sequence[Array], found: Sequence[Array]) -> float:
    """Largest absolute difference over the largest expected magnitude (or the difference itself where that is 0).

    >>> deviation([np.array([1.0, -4.0])], [np.array([1.0, -4.5])])
    0.125
    """
    if [array.shape for array in expected] != [array.shape for array in found]:
        return float("inf")
    if not all(np.isfinite(array).all() for array in expected):
        raise PrunusError(
            "The network's outputs on random inputs are not finite",
            "so it cannot be told whether the exported file computes the same",
            "look at the training: its weights have diverged",
        )
    scale = max((float(np.abs(array).max(initial=0)) for array in expected), default=0.0)
    pairs = zip(expected, found, strict=True)
    difference = max((float(np.abs(a.astype(float) - b).max(initial=0)) for a, b in pairs), default=0.0)
    return difference / (scale or 1.0) if np.isfinite(difference) else float("inf")
