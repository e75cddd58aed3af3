"""Fourier transforms, which take every channel by itself, and complex numbers as pairs of real ones."""

from __future__ import annotations

from collections.abc import Iterable

from prunus.labels.axes import Axes, kept_axis
from prunus.ops.operation import Operation
from prunus.ops.row import OpRow


def line(op: Operation) -> Axes:
    """A transform along one dimension."""
    return _transformed(op, [op.dimension(2, -1, op.args[0].rank)])


def plane(op: Operation) -> Axes:
    """A transform along two dimensions, which are the last ones by default."""
    return _transformed(op, op.get(2, (-2, -1), "dim"))


def space(op: Operation) -> Axes:
    """A transform along several dimensions: as many as sizes are given, or all by default."""
    sizes = op.get(1, None, "s")
    count = op.args[0].rank if sizes is None else len(sizes)
    dims = op.get(2, None, "dim")
    return _transformed(op, range(-count, 0) if dims is None else dims)


def shifted(op: Operation) -> Axes:
    """Frequencies put into another order."""
    dims = op.get(1, None, "dim")
    every = range(op.args[0].rank) if dims is None else dims
    return _transformed(op, [every] if isinstance(every, int) else every)


def _transformed(op: Operation, dims: Iterable[int]) -> Axes:
    x: Axes = op.args[0]
    along = {int(d) % x.rank for d in dims}
    op.pin([x[d] for d in along], "a Fourier transform along channels")
    return Axes(tuple(kept_axis(op.shape[d]) if d in along else axis for d, axis in enumerate(x.axes)))


def paired(op: Operation) -> Axes:
    """Pairs of real numbers along the last dimension become complex ones."""
    x: Axes = op.args[0]
    op.pin(x.axes[-1:], "real and imaginary parts")
    return Axes(x.axes[:-1])


def unpaired(op: Operation) -> Axes:
    """Complex numbers become pairs of real ones along a new last dimension."""
    return Axes((*op.args[0].axes, kept_axis(2)))


ROWS = (
    OpRow("fft_fft fft_ifft fft_rfft fft_irfft fft_hfft fft_ihfft", line, macs=None),
    OpRow("fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2", plane, macs=None),
    OpRow("fft_fftn fft_ifftn fft_rfftn fft_irfftn", space, macs=None),
    OpRow("fft_fftshift fft_ifftshift", shifted),
    OpRow("view_as_complex", paired, is_view=True),
    OpRow("view_as_real", unpaired, is_view=True),
)
