"""Bits as part of a recipe: how many weights and activations have, in which layers, and when they get them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from prunus.errors import InputError
from prunus.spec._mistakes import first_of, key_of, why_and_what_to_do
from prunus.spec.part import Frozen

FEWEST, MOST, OFF = 2, 8, 32


def _is_precision(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int) or not (FEWEST <= value <= MOST or value == OFF):
        raise ValueError(f"a precision is a whole number of bits from {FEWEST} to {MOST}, or {OFF} for none at all")
    return value


Precision = Annotated[int, BeforeValidator(_is_precision)]
"""2 to 8 bits; 32 stands for numbers that are not quantised."""


class LayerBits(Frozen):
    """Other bits for some layers; what is not said stays as it is for the others.

    Attributes:
        name: of a layer, or a shell pattern, or `re:` and a regular expression that fits the whole name.
        weights: bits of a weight.
        activations: bits of the layer's input.
    """

    name: str
    weights: Precision | None = None
    activations: Precision | None = None


class Bits(Frozen):
    """How a network is quantised: symmetric weights per output channel, asymmetric activations per tensor.

    The bits of a layer are, each over the one before: `weights` and `activations`; at least `first_last` where it is
    the first layer or the output layer; the entries of `layers` that fit its name, a later one over an earlier; 32
    where an entry of `ignore` fits it.

    Attributes:
        weights: bits of a weight, 2 to 8; 32 leaves them as they are.
        activations: bits of a layer's input, 2 to 8; 32 leaves it as it is.
        when: `post` after the training, with ranges of calibration inputs; `aware` from `begin` on, in the training,
            which learns the ranges; `both`: so, and after the training ranges of activations are found once more.
        begin: the share of the training after which `aware` begins.
        ranges: how ranges are found on calibration inputs: `mse` (least squared error), `min-max`, or `percentile`.
        percentile: of the absolute values, where ranges are found by it.
        first_last: the fewest bits of the first layer and the output layer.
        layers: other bits for layers by name.
        ignore: layers that are not quantised, by name or pattern as in `layers`.

    Example:
        >>> Bits(weights=4, layers=[{"name": "features.*", "weights": 2}]).layers[0].weights
        2
    """

    weights: Precision = 8
    activations: Precision = 8
    when: Literal["post", "aware", "both"] = "post"
    begin: float = Field(default=0.5, ge=0, le=1)
    ranges: Literal["mse", "min-max", "percentile"] = "mse"
    percentile: float = Field(default=99.99, gt=50, le=100)
    first_last: Precision = 8
    layers: tuple[LayerBits, ...] = ()
    ignore: tuple[str, ...] = ()

    @property
    def off(self) -> bool:
        """Whether nothing is quantised at all."""
        others = [bits for one in self.layers for bits in (one.weights, one.activations) if bits is not None]
        return all(bits == OFF for bits in (self.weights, self.activations, *others))


def bits_of(value: Any) -> Bits:
    """The bits from a table of their settings, or from one number for weights and activations.

    Raises `InputError` for anything else.

    >>> bits_of(4).weights, bits_of({"weights": 4}).activations
    (4, 8)
    """
    if isinstance(value, Bits):
        return value
    if isinstance(value, int):
        value = {"weights": value, "activations": value}
    try:
        return Bits.model_validate(value)
    except ValidationError as error:
        first = first_of(error)
        why, do = why_and_what_to_do(key_of(first["loc"]), first, Bits.model_fields, "give it")
        raise InputError("The bits cannot be used", why, do) from None
