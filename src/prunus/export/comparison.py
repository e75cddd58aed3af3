"""Running an ONNX file again and comparing it with the model it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from prunus.errors import PrunusError
from prunus.export.example import at_batch
from prunus.onnx_session import open_session

Array = npt.NDArray[Any]
LIMIT = 1e-4
"""The largest deviation at which a file still counts as the same network."""


def onnx_deviation(
    content: bytes, model: nn.Module, inputs: Sequence[Tensor], batches: Sequence[int] = (1, 3)
) -> float:
    """Largest deviation from the model, over random inputs of these batch sizes, in ONNX Runtime.

    Raises `PrunusError` where the model's own outputs are not finite.
    """
    session = open_session(content)
    names = [node.name for node in session.get_inputs()]
    largest = 0.0
    for batch in batches:
        given = at_batch(inputs, batch, seed=batch)
        expected = outputs(model, given)
        found = session.run(None, {name: tensor.numpy() for name, tensor in zip(names, given, strict=True)})
        largest = max(largest, deviation(expected, [np.asarray(array) for array in found]))
    return largest


def outputs(model: nn.Module, inputs: Sequence[Tensor]) -> list[Array]:
    """All tensors that the model returns, as arrays."""
    with torch.no_grad():
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
