"""The native engine of the sparse runtime; the sources are in native/."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from prunus.sparse.program import Array

_Activation = tuple[str, float, float] | None
_Pair = tuple[int, int]

def isas_compiled() -> list[str]: ...
def isas_of_this_machine() -> list[str]: ...

class View:
    def __init__(
        self,
        offset: int,
        images: int,
        channels: int,
        height: int,
        width: int,
        lanes: int,
        image: int,
        plane: int,
        row: int,
        doubt: int = -1,
    ) -> None: ...

class Strided:
    def __init__(self, base: int, offset: int, strides: Sequence[int]) -> None: ...

class Step:
    @property
    def size_bytes(self) -> int: ...

class Engine:
    def __init__(self, isa: str, threads: int) -> None: ...
    @property
    def isa(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def registers(self) -> int: ...
    @property
    def threads(self) -> int: ...
    def allocate(self, floats: int) -> None: ...
    def write(self, offset: int, values: Array) -> None: ...
    def convolution(
        self,
        source: View,
        out: View,
        residual: View | None,
        weight: Array,
        bias: Array,
        stride: _Pair,
        padding: _Pair,
        dilation: _Pair,
        groups: int,
        activation: _Activation,
        choice: tuple[int, int, int, int, bool],
        pooled: View | None = None,
    ) -> Step: ...
    def fill(self, offset: int, count: int, byte: int) -> None: ...
    def int8_convolution(
        self,
        source: View,
        out: View,
        residual: View | None,
        weight: npt.NDArray[np.int8],
        factors: Array,
        addends: Array,
        input_zero: int,
        stride: _Pair,
        padding: _Pair,
        dilation: _Pair,
        groups: int,
        finish: tuple[float, float, int | None],
        first: tuple[float, float, float] | None,
        added: tuple[int, float] | None,
        choice: tuple[int, int, int],
    ) -> Step: ...
    def quantize(self, source: View, out: View, scale: float, zero: int, low: int, high: int) -> Step: ...
    def dequantize(self, source: View, out: View, scale: float, zero: int, low: int, high: int) -> Step: ...
    def add_bytes(
        self,
        left: View,
        right: View | None,
        out: View,
        left_scale: tuple[int, float],
        right_scale: tuple[int, float],
        finish: tuple[float, float, int],
    ) -> Step: ...
    def pool_bytes(
        self, source: View, out: View, kernel: _Pair, stride: _Pair, padding: _Pair, dilation: _Pair
    ) -> Step: ...
    def mean_bytes(self, source: View, out: View, scale: float, zero: int) -> Step: ...
    def linear(
        self,
        sparse: bool,
        rows: int,
        source: int,
        out: int,
        residual: int,
        weight: Array,
        bias: Array,
        activation: _Activation,
    ) -> Step: ...
    def pool(
        self,
        source: View,
        out: View,
        kernel: _Pair,
        stride: _Pair,
        padding: _Pair,
        dilation: _Pair,
        largest: bool,
        count_padding: bool,
    ) -> Step: ...
    def map(
        self,
        operator: str,
        shape: Sequence[int],
        out: Strided,
        left: Strided,
        right: Strided | None,
        activation: _Activation,
    ) -> Step: ...
    def rows(
        self,
        kind: str,
        rows: int,
        columns: int,
        source: int,
        out: int,
        scale: Sequence[float],
        shift: Sequence[float],
        epsilon: float,
    ) -> Step: ...
    def matmul(self, rows: int, inner: int, columns: int, pairs: Sequence[tuple[int, int, int]]) -> Step: ...
    def append(self, step: Step) -> None: ...
    def time(self, step: Step, seconds: float, limit: float) -> float: ...
    def run(self, inputs: Sequence[Array], outputs: Sequence[Array], timed: bool = False) -> list[float]: ...
