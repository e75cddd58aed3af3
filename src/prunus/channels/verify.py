"""A cut network held against a masked one, with other weights lest those that all channels share hide a fault."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunus.channels.tensors import anew
from prunus.proof import Made, Proof, Variation, random_like
from prunus.proof.proof import LIMIT
from prunus.trace.copying import Instead, exact_copy
from prunus.trace.inventory import held_tensors
from prunus.trace.trace import as_call

LARGE = 2**25 - 2**13
"""Bytes of nearly the largest block that tells glibc's malloc how much to keep when it is freed."""


def verify(masked_model: nn.Module, shrunk_model: nn.Module, example_inputs: Any, limit: float = LIMIT) -> float:
    """Largest difference of the outputs over the largest output, on random inputs of the same shapes.

    Computed in float64 where both models can. Raises `DifferenceError`, which names the layer, above `limit`.
    """
    masked = copied(masked_model)
    example = Variation(("the example inputs",), random_like(as_call(example_inputs)))
    return Proof(lambda _, double: masked(double), example, limit).deviation(copied(shrunk_model))


def copied(model: nn.Module, values: Instead | None = None, held: Mapping[str, Tensor] | None = None) -> Made:
    """Makes copies of a model, in double precision or not.

    values: id of a tensor -> other values for it. held: the model's tensors, where they are at hand.
    """
    tensors = held_tensors(model) if held is None else held
    return lambda double: exact_copy(model, anew(tensors, values or {}, double))


def keep_what_is_freed() -> None:
    """Have malloc keep memory that one layer is done with for the next, as it does once a large block was freed.

    Else it gives it back time and again, and each page that it then gets anew takes microseconds.
    """
    torch.empty(LARGE, dtype=torch.uint8)


SMALL = 0.1
STATISTICS = ("running_mean", "running_var")


def random_constants(held: Mapping[str, Tensor]) -> dict[int, Tensor]:
    """Random values for those of a model's tensors that are the same for all channels: id of the tensor -> its values.

    Of norms that are new any channel may be cut, and nothing shows; a network whose last layer or residual branches
    start at zero computes the same whatever is cut before them. Values are of a size that keeps activations moderate.
    """
    generator = torch.Generator().manual_seed(0)
    statistics = [tensor for name, tensor in held.items() if name.endswith(STATISTICS)]
    each = {id(t): t for t in (*(t for t in held.values() if isinstance(t, nn.Parameter)), *statistics)}
    real = [t for t in each.values() if (t.is_floating_point() or t.is_complex()) and t.numel()]
    with torch.no_grad():
        vectors = _constant([t for t in real if t.dim() < 2])
        matrices = [t for t in real if t.dim() > 1 and (_is_repeated(t, 0) or _is_repeated(t, 1))]
        return _random_vectors(vectors, generator) | {id(t): _random(t, generator) for t in matrices}


def _constant(vectors: Sequence[Tensor]) -> list[Tensor]:
    """The vectors of which all numbers are the same."""
    if not vectors:
        return []
    sizes = [vector.numel() for vector in vectors]
    together = torch.cat([vector.reshape(-1) for vector in vectors])
    numbers = (together if together.is_complex() else together.double()).numpy(force=True)
    begins = np.cumsum([0, *sizes[:-1]])
    same = np.logical_and.reduceat(numbers == np.repeat(numbers[begins], sizes), begins)
    return [vector for vector, constant in zip(vectors, same.tolist(), strict=True) if constant]


def _is_repeated(tensor: Tensor, dim: int) -> bool:
    """Whether all rows, or columns, are the same; the first numbers of two tell of almost all that they are not."""
    if tensor.shape[dim] < 2:
        return tensor.numel() == 1
    one, other = tensor.as_strided((2,), (tensor.stride(dim),)).tolist()
    if one != other:
        return False
    first = tensor.narrow(dim, 0, 1)
    return torch.equal(tensor.narrow(dim, 1, 1), first) and bool((tensor == first).all())


def _random_vectors(vectors: Sequence[Tensor], generator: torch.Generator) -> dict[int, Tensor]:
    """Scales stay near one, shifts near zero, variances above zero."""
    if not vectors:
        return {}
    sizes = [vector.numel() for vector in vectors]
    noise = torch.randn(sum(sizes), generator=generator).abs_().mul_(SMALL)
    numbers = torch.split(torch.cat([vector.reshape(-1) for vector in vectors]) + noise, sizes)
    return {id(v): part.to(v).view(v.shape) for v, part in zip(vectors, numbers, strict=True)}


def _random(matrix: Tensor, generator: torch.Generator) -> Tensor:
    noise = torch.randn(matrix.shape, generator=generator, dtype=matrix.dtype if matrix.is_complex() else None)
    return noise.to(matrix) / math.sqrt(max(matrix[0].numel(), 1))
