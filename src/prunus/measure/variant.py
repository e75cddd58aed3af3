"""What is measured: a network as files, and how to build the module that its weights belong to."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, JsonValue

from prunus.errors import InputError
from prunus.spec import Part
from prunus.spec.part import Frozen

if TYPE_CHECKING:
    from torch import Tensor, nn


class ModelBuilder(Frozen):
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


WHOLE = ("bool", "int8", "uint8", "int16", "int32", "int64")


class InputKind(Frozen):
    """One of the inputs of a network, to draw random ones of its kind.

    Attributes:
        shape: without the batch dimension.
        low: the least value of an input of whole numbers, such as token ids; None for floating-point numbers.
        high: its largest value.
        type: of whole numbers.
        name: where the network takes it by name.
    """

    shape: tuple[int, ...]
    low: int | None = None
    high: int | None = None
    type: str = "int64"
    name: str | None = None

    def draw(self, batch_size: int, generator: np.random.Generator) -> npt.NDArray[Any]:
        """(batch_size, *shape): standard normal numbers, or whole ones from `low` to `high`."""
        shape = (batch_size, *self.shape)
        if self.low is None or self.high is None:
            return generator.standard_normal(shape, dtype=np.float32)
        return generator.integers(self.low, self.high, shape, endpoint=True).astype(self.type)


def input_kinds(example: Any) -> tuple[InputKind, ...]:
    """The kinds of example inputs: of a tensor, a tuple of several, or a dictionary of named ones.

    Raises `InputError` for inputs without a batch dimension or of other types of numbers.
    """
    from prunus.export import as_tuple

    names = tuple(example) if isinstance(example, Mapping) else (None,) * len(as_tuple(example))
    return tuple(_kind(tensor, name) for tensor, name in zip(as_tuple(example), names, strict=True))


def other_inputs(kinds: tuple[InputKind, ...]) -> tuple[InputKind, ...]:
    """What `Variant.inputs` says of these: nothing of one input of floating-point numbers, as most networks take."""
    return () if kinds == (InputKind(shape=kinds[0].shape),) else kinds


def _kind(tensor: Tensor, name: str | None) -> InputKind:
    shape = tuple(tensor.shape[1:])
    if tensor.is_floating_point():
        return InputKind(shape=shape, name=name)
    if str(tensor.dtype).removeprefix("torch.") not in WHOLE:
        raise InputError(
            "The latency of this network cannot be measured here",
            f"runtimes are given floating-point and whole numbers, and it takes {tensor.dtype}",
            "convert them within the network, or go by params, macs or bytes",
        )
    kind = str(tensor.dtype).removeprefix("torch.")
    return InputKind(shape=shape, low=int(tensor.min()), high=int(tensor.max()), type=kind, name=name)


class Variant(Frozen):
    """One network of a comparison.

    Attributes:
        input_shape: of one input, without the batch dimension.
        files: format -> file; each runtime takes its own.
        builder: makes the unpruned module that a safetensors file is cut from and read into; needed by torch alone.
        inputs: where it takes other inputs than one of floating-point numbers: all of them, in their order.
    """

    input_shape: tuple[int, ...]
    files: dict[str, Path]
    builder: ModelBuilder | None = None
    inputs: tuple[InputKind, ...] = ()

    def random_inputs(self, batch_size: int) -> npt.NDArray[Any] | tuple[npt.NDArray[Any], ...]:
        """Random inputs, the same in every process; a tuple where there are several."""
        if not self.inputs:
            return random_inputs(self.input_shape, batch_size)
        generator = np.random.default_rng(0)
        drawn = tuple(kind.draw(batch_size, generator) for kind in self.inputs)
        return drawn[0] if len(drawn) == 1 and self.inputs[0].name is None else drawn

    @classmethod
    def taking(cls, example: Any, files: dict[str, Path], builder: ModelBuilder | None = None) -> Variant:
        """A network that takes what the example is: a tensor, a tuple of several, or a dictionary of named ones."""
        kinds = input_kinds(example)
        return cls(input_shape=kinds[0].shape, inputs=other_inputs(kinds), files=files, builder=builder)

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


def named_model(model: Part, input_shape: Any, classes: int) -> ModelBuilder:
    """The builder of a model that a specification names. input_shape: of one input, or a tree of such."""
    arguments: dict[str, JsonValue] = {
        "model": model.model_dump(mode="json"),
        "input_shape": json.loads(json.dumps(input_shape)),
        "classes": classes,
    }
    return ModelBuilder(function=f"{__name__}:build_named", arguments=arguments)


def build_named(model: JsonValue, input_shape: Any, classes: int) -> nn.Module:
    """Build it, from JSON."""
    from prunus.models import build_model

    return build_model(Part.model_validate(model), _tuples(input_shape), classes)


def _tuples(shapes: Any) -> Any:
    """Tuples in place of lists, however they are nested."""
    if isinstance(shapes, dict):
        return {key: _tuples(each) for key, each in shapes.items()}
    return tuple(map(_tuples, shapes)) if isinstance(shapes, list) else shapes
