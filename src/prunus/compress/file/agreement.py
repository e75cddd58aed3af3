"""Without labels, a network is judged by how far it still does what the original does, input by input."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from prunus.compress.file.network import Array, FileNetwork
from prunus.errors import InputError, nearest
from prunus.report.statistics import Interval, mean_interval
from prunus.system.user_code import describe, is_reference, load_function

Outputs: TypeAlias = Sequence[Array]
Score: TypeAlias = Callable[[Outputs, Outputs], float]
"""From the outputs of the original and of another network, in one run, to a number: 1 where they agree, 0 at worst."""
NORMAL_QUANTILE = 1.959963984540054


def same_classes(original: Outputs, other: Outputs) -> float:
    """1 where the largest along the last dimension is the same one at every position, else 0."""
    return float(np.array_equal(original[0].argmax(-1), other[0].argmax(-1)))


def same_decisions(original: Outputs, other: Outputs) -> float:
    """The intersection over the union of what is at 0.5 or above in either; 1 where nothing is.

    Where the output is one number alone, it is 1 if both are on the same side and 0 if not.
    """
    one, two = original[0] >= 0.5, other[0] >= 0.5
    union = np.count_nonzero(one | two)
    return np.count_nonzero(one & two) / union if union else 1.0


def cosine(original: Outputs, other: Outputs) -> float:
    """The mean cosine between vectors along the last dimension, not below 0."""
    one, two = (outputs[0].astype(np.float64) for outputs in (original, other))
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(two, axis=-1)
    found = (one * two).sum(-1) / np.where(lengths > 0, lengths, 1)
    same = np.all(one == two, axis=-1)  # what has no direction agrees only where it is the same
    return float(np.clip(np.where(lengths > 0, found, same), 0, 1).mean())


def closeness(original: Outputs, other: Outputs) -> float:
    """1 less the relative error, the length of the difference over that of the original's outputs; not below 0."""
    one, two = (np.concatenate([each.astype(np.float64).ravel() for each in outputs]) for outputs in (original, other))
    length = float(np.linalg.norm(one))
    error = float(np.linalg.norm(one - two))
    return max(0.0, 1 - error / length) if length else float(error == 0)


METRICS: dict[str, tuple[str, Score]] = {
    "classes": ("inputs with the same classes", same_classes),
    "decisions": ("overlap of what is decided at 0.5", same_decisions),
    "cosine": ("cosine with the original", cosine),
    "closeness": ("1 - relative error", closeness),
}


@dataclass(frozen=True)
class Agreement:
    """How agreement is measured.

    name: as it is asked for. words: as sentences say it. why: how it was chosen. score: of one run.
    """

    name: str
    words: str
    why: str
    score: Score

    def over(self, originals: Sequence[Outputs], others: Sequence[Outputs]) -> Interval:
        """The mean over runs, as a share, with its 95 % interval."""
        return interval_of([self._checked(*each) for each in zip(originals, others, strict=True)])

    def _checked(self, original: Outputs, other: Outputs) -> float:
        if not all(np.isfinite(each).all() for each in other if each.dtype.kind == "f"):
            return 0.0
        return float(self.score(original, other))


def interval_of(scores: Sequence[float]) -> Interval:
    """Wilson's of shares where every score is 0 or 1, else Student's, cut off at 1.

    >>> found = interval_of([1.0] * 99 + [0.0])
    >>> round(found.mean, 2), round(found.low, 3), round(found.high, 3)
    (0.99, 0.946, 0.998)
    """
    count, share = len(scores), sum(scores) / len(scores)
    if all(score in (0.0, 1.0) for score in scores):
        square = NORMAL_QUANTILE**2 / count
        centre = (share + square / 2) / (1 + square)
        half = math.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square)
        return Interval(share, max(0.0, centre - half), min(1.0, centre + half), count)
    found = mean_interval(scores)
    assert found is not None
    if found.low is None or found.high is None:
        return found
    return Interval(found.mean, found.low, min(1.0, found.high), found.count)


def is_within(share: float, margin: float) -> bool:
    """Whether a share is no more than so many points below 1; 0.99 is within 1, whatever floating point makes of it.

    >>> is_within(0.99, 1.0), is_within(0.989, 1.0)
    (True, False)
    """
    return 100 * (1 - share) <= margin + 1e-9


def agreement_of(name: str, network: FileNetwork, originals: Sequence[Outputs]) -> Agreement:
    """The metric of that name, of `file.py:function`, or for `auto` the one that the original's outputs suggest.

    A function takes the two lists of outputs, the original's first, and returns a number from 0 to 1.
    """
    if is_reference(name):
        return Agreement(name, name.rpartition(":")[2].replace("_", " "), "it was named", _named(name))
    if name not in (*METRICS, "auto"):
        raise InputError(f"There is no metric {name!r}", "", nearest(name, (*METRICS, "auto")))
    chosen, why = (name, "it was named") if name != "auto" else _suggested(network, originals)
    words, score = METRICS[chosen]
    return Agreement(chosen, words, why, score)


def _named(reference: str) -> Score:
    """A user's function; where it fails or gives no share, that is one clear error."""
    function = load_function(reference)

    def score(original: Outputs, other: Outputs) -> float:
        try:
            found = float(function.function(original, other))
        except Exception as error:
            raise InputError(f"The metric {reference} failed", describe(error), "correct it") from error
        if not 0 <= found <= 1:
            raise InputError(f"The metric {reference} returned {found:g}", "1 is agreement and 0 is none", "scale it")
        return found

    return score


def _suggested(network: FileNetwork, originals: Sequence[Outputs]) -> tuple[str, str]:
    """What the first output says of itself, and why."""
    output = network.outputs[0]
    arrays = [outputs[0] for outputs in originals]
    if any(array.dtype.kind != "f" or not array.ndim for array in arrays):
        return "closeness", f"the output {output!r} is of numbers that are neither scores nor vectors"
    several = all(array.shape[-1] > 1 for array in arrays)
    if several and all(np.allclose(array.sum(-1), 1, atol=1e-3) and array.min() >= 0 for array in arrays):
        return "classes", f"the last dimension of the output {output!r} has probabilities that add up to 1"
    if all(array.min() >= 0 and array.max() <= 1 for array in arrays):
        return "decisions", f"the output {output!r} lies between 0 and 1"
    if several and all(array.ndim == 2 for array in arrays) and _ends_in_layer(network):
        return "classes", f"the output {output!r} comes straight from a linear layer, as scores of classes do"
    if several:
        return "cosine", f"the output {output!r} has vectors, which are neither scores nor probabilities"
    return "closeness", f"the output {output!r} has single numbers"


def _ends_in_layer(network: FileNetwork) -> bool:
    """Whether the first output is a product with a constant, and perhaps a sum with one."""
    made = {name: node for node in network.proto.graph.node for name in node.output}
    node = made.get(network.outputs[0])
    if node is not None and node.op_type == "Add" and any(name in network.constants for name in node.input):
        node = next((made[name] for name in node.input if name in made), None)
    return node is not None and node.op_type in ("Gemm", "MatMul") and node.input[1] in network.constants
