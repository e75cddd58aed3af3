"""What is measured: a network as files, and how to build the module that its weights belong to."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, JsonValue

from prunus.errors import InputError
from prunus.spec.part import Frozen

if TYPE_CHECKING:
    from torch import nn


class Builder(Frozen):
    """A function by its place, `package.module:function`, and its arguments: data, so that any process can call it."""

    function: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)

    def prepare(self) -> None:
        """Import the function's module, which takes memory that is not the network's."""
        self._resolve()

    def build(self) -> nn.Module:
        """Call the function; it returns a module whose weights are about to be replaced."""
        module: nn.Module = self._resolve()(**self.arguments)
        return module

    def _resolve(self) -> Callable[..., Any]:
        module, _, name = self.function.partition(":")
        try:
            function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise InputError(
                f"The network cannot be built by {self.function!r}", str(error), "check the name"
            ) from None
        return function


class Variant(Frozen):
    """One network of a comparison.

    input_shape: of one input, without the batch dimension. files: format -> file, each runtime takes its own.
    builder: makes the unpruned module that a safetensors file is cut from and read into; needed by torch alone.
    """

    input_shape: tuple[int, ...]
    files: dict[str, Path]
    builder: Builder | None = None

    def file(self, kind: str) -> Path:
        """The file of that format. Raises `InputError` where there is none."""
        if kind not in self.files:
            raise InputError(
                f"There is no {kind} file of the network",
                f"it was written as {', '.join(self.files) or 'none'}",
                "export it",
            )
        return self.files[kind]


def random_inputs(input_shape: tuple[int, ...], batch_size: int) -> npt.NDArray[np.float32]:
    """Standard normal inputs (batch_size, *input_shape), the same in every process."""
    return np.random.default_rng(0).standard_normal((batch_size, *input_shape), dtype=np.float32)
