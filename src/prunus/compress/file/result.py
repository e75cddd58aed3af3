"""What the compression of a file came to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prunus.compress.file.agreement import is_within
from prunus.compress.file.candidates import Tried
from prunus.compress.file.network import Feed, InputPort
from prunus.compress.file.timing import Time
from prunus.report.statistics import Interval

AS_GOOD = 1.03
"""Latencies that differ by less than this factor count as the same."""
KINDS = {
    "original": "the file as it was",
    "weights": "weights of 8 bits",
    "int8": "layers on 8-bit integers",
    "zeros": "zeros",
    "zeros+weights": "zeros and weights of 8 bits",
    "zeros+int8": "zeros and layers on 8-bit integers",
}
"""What is tried, from the least change to the most."""


@dataclass(frozen=True)
class Row:
    """A network on a runtime, timed. deviation: of its outputs from ONNX Runtime's for the same network, relative to
    the largest one, on one input.
    """

    kind: str
    runtime: str
    size_bytes: int
    time: Time
    deviation: float

    def __str__(self) -> str:
        return f"{KINDS[self.kind]} on {self.runtime}"


@dataclass(frozen=True)
class DeliveredFile:
    """A row whose file is written. agreement: with the original on inputs that were looked at once."""

    role: str
    row: Row
    path: Path
    agreement: Interval


@dataclass(frozen=True)
class LayerRow:
    """What became of a layer: the zeros chosen for it, and whether it computes on integers or has rounded weights.

    error: the squared change of its outputs, as a share. alone: that of the network's outputs with this layer's zeros
    alone, and with this layer alone on integers; None where that was not looked at.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    rate: float
    error: float
    alone: float | None
    bits: str
    integer_alone: float | None


@dataclass(frozen=True)
class CompressedFile:
    """What `compress_file` returns.

    Attributes:
        delivered: the fastest and the smallest file that hold, each written and run again; empty where nothing is
            gained.
        rows: all that was timed, the file as it was on ONNX Runtime first.
        tried: all networks that were made.
        layers: what became of each layer.
        metric: what agreement is, in words.
        why: how the metric was chosen.
        margin: how far agreement may fall below 100, in points.
        counts: inputs that calibrated, that chose, and that were looked at once.
        notes: what else is to be known, in sentences.
        ports: what the network takes.
        example: one of the inputs.
        out: the folder with all of it.
    """

    delivered: tuple[DeliveredFile, ...]
    rows: tuple[Row, ...]
    tried: tuple[Tried, ...]
    layers: tuple[LayerRow, ...]
    metric: str
    why: str
    margin: float
    counts: tuple[int, int, int]
    notes: tuple[str, ...]
    ports: tuple[InputPort, ...]
    example: Feed
    out: Path

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    @property
    def sentences(self) -> list[str]:
        """What came out, the most important first."""
        found = [line for one in self.delivered for line in self._of(one)] or self._nothing
        return [*found, *self._alone, *self.notes]

    def _of(self, one: DeliveredFile) -> list[str]:
        time, base = one.row.time, self.rows[0]
        told = [
            f"The {one.role}: {one.row}, {time.latency_ms:.3g} ms ({time.ratio.mean:.2f} [{time.ratio.low:.2f}, "
            f"{time.ratio.high:.2f}] of {base.time.latency_ms:.3g} ms) and {one.row.size_bytes:,} bytes "
            f"({one.row.size_bytes / base.size_bytes:.2f} of {base.size_bytes:,}); {self.metric}: "
            f"{shown(one.agreement)} on {one.agreement.count} inputs that were looked at once."
        ]
        if not is_within(one.agreement.mean, self.margin):
            told.append(
                f"That is not within the margin of {self.margin:g} on these inputs; on those that chose it was."
            )
        elif one.agreement.low is not None and not is_within(one.agreement.low, self.margin):
            told.append(
                f"So many inputs do not show that it is within {self.margin:g}: the interval begins below. More would."
            )
        return told

    @property
    def _nothing(self) -> list[str]:
        failed = [one for one in self.tried if not one.holds]
        if failed:
            nearest = max(failed, key=lambda one: one.agreement.mean)
            what = KINDS[nearest.change.kind]
            why = f"nearest to the margin of {self.margin:g} come {what}, with {shown(nearest.agreement)}"
        else:
            best = min(self.rows, key=lambda row: row.time.latency_ms)
            why = f"what holds is neither faster nor smaller; the fastest is {best}, at {best.time.ratio.mean:.2f}"
        return [f"Nothing is gained: {why}."]

    @property
    def _alone(self) -> list[str]:
        """What less would have done."""
        told = []
        zeros = [row for row in self.rows if "zeros" in row.kind]
        rounded = [row for row in self.rows if row.kind in ("weights", "int8")]
        if zeros and rounded:
            with_zeros, without = (min(rows, key=lambda row: row.time.latency_ms) for rows in (zeros, rounded))
            if without.time.latency_ms <= AS_GOOD * with_zeros.time.latency_ms:
                told.append(f"Quantising alone is as fast as zeros are: {without}, {without.time.latency_ms:.3g} ms.")
            else:
                told.append(
                    f"Quantising alone comes to {without.time.latency_ms:.3g} ms, with zeros it is "
                    f"{with_zeros.time.latency_ms:.3g} ms ({with_zeros})."
                )
        same = [row for row in self.rows[1:] if row.kind == "original"]
        fastest = min(self.rows, key=lambda row: row.time.latency_ms)
        told += [
            f"The file as it was is as fast on {row.runtime}: {row.time.latency_ms:.3g} ms."
            for row in same
            if fastest.kind != "original" and row.time.latency_ms <= AS_GOOD * fastest.time.latency_ms
        ]
        return told


def shown(interval: Interval) -> str:
    """A share with its interval, in percent.

    >>> shown(Interval(0.99, 0.946, 0.998, 100))
    '99.00 % [94.60, 99.80]'
    """
    if interval.low is None or interval.high is None:
        return f"{100 * interval.mean:.2f} %"
    return f"{100 * interval.mean:.2f} % [{100 * interval.low:.2f}, {100 * interval.high:.2f}]"


def choose(rows: tuple[Row, ...]) -> tuple[tuple[str, Row], ...]:
    """The fastest and the smallest of what holds, where they beat the first row, the file as it was on ONNX Runtime.

    Of those that are as fast the smallest is taken, and of those that are as small the fastest.
    """
    base, found = rows[0], []
    least_bytes = min(row.size_bytes for row in rows)
    smallest = min((row for row in rows if row.size_bytes <= AS_GOOD * least_bytes), key=_latency)
    if faster := [row for row in rows if row.time.ratio.high is not None and row.time.ratio.high < 1]:
        least_ms = min(row.time.latency_ms for row in faster)
        fastest = min((row for row in faster if row.time.latency_ms <= AS_GOOD * least_ms), key=_size)
        if fastest is smallest:
            return (("fastest and smallest", fastest),)
        found.append(("fastest", fastest))
    if smallest.size_bytes * AS_GOOD < base.size_bytes:
        found.append(("smallest", smallest))
    return tuple(found)


def _size(row: Row) -> tuple[int, float]:
    return row.size_bytes, row.time.latency_ms


def _latency(row: Row) -> tuple[float, int]:
    return row.time.latency_ms, row.size_bytes


SUITS = {
    "onnxruntime": ("original", "weights", "int8", "zeros+int8"),
    "openvino": ("original", "weights", "int8", "zeros+int8"),
    "prunus": ("original", "zeros", "zeros+weights"),
}
"""Runtime -> what can pay there; on all but the sparse runtime zeros are computed like any other number."""
