"""A recipe, how a network is trained, and one cell of a study, which is both at one rate with one seed."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from prunus.spec.bits import Bits
from prunus.spec.part import Frozen, Name, Part, digest


class Recipe(Frozen):
    """How a network is pruned while it trains; the words are defined in docs/protocol.md.

    Attributes:
        name: what reports call it.
        about: a sentence for `prunus list`.
        pattern: the shape of what is removed; `prunus list patterns`.
        criterion: the score by which units are ranked; the lowest go first.
        allocation: how the total is shared among layers.
        schedule: when how much is removed.
        permanence: `permanent` masks stay and are applied after every optimiser step; `regrow` masks are applied once
            at the event and then let go.
        protect: layers that are never pruned, by name or shell pattern; `output` stands for the network's last layer.
        bits: of weights and activations; None, or 32 of both, leaves them as they are.

    Example:
        >>> Recipe(name="mine", pattern="channel", criterion={"name": "magnitude", "norm": 2}).schedule.name
        'cubic'
    """

    name: Name
    about: str = ""
    pattern: Part
    criterion: Part = Part(name="magnitude")
    allocation: Part = Part(name="uniform")
    schedule: Part = Part(name="cubic")
    permanence: Literal["permanent", "regrow"] = "permanent"
    protect: tuple[str, ...] = ("output",)
    bits: Bits | None = None

    @field_validator("bits")
    @classmethod
    def _none_where_off(cls, bits: Bits | None) -> Bits | None:
        return None if bits is None or bits.off else bits

    @model_serializer(mode="wrap")
    def _as_before_it_existed(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A recipe that does not quantise has the digest that it had when none could."""
        return {key: value for key, value in handler(self).items() if key != "bits" or value}


class Distillation(Frozen):
    """What a network learns of the outputs of the unpruned trained one, its teacher (Hinton et al., 2015).

    The loss is (1 - weight) x cross-entropy + weight x temperature² x KL divergence of the two softmaxes of outputs
    that are divided by the temperature.
    """

    temperature: float = Field(default=4.0, gt=0)
    weight: float = Field(default=0.5, gt=0, le=1)


class Training(Frozen):
    """How a network is trained; the same for every trial of a study.

    Attributes:
        epochs: how often all training samples are seen.
        batch_size: samples of an optimiser step.
        optimizer: by name, with settings; `prunus list optimizers`.
        learning_rate: the highest.
        learning_rate_schedule: `constant`, `cosine` (to zero over the epochs) or `step` (times 0.1 at 50 % and 75 %).
        label_smoothing: of the cross entropy, from 0 to below 1.
        augment: applied to each training batch, in order (`crop`, `flip`).
        distillation: from the unpruned network with the weights that the study begins with; None: from labels alone.
        device: `cpu`, `cuda`, `cuda:1`, `mps`, or `auto` for the first of cuda, mps and cpu that is there.
        precision: `fp32`, or `bf16` for autocasting.
        channels_last: whether images are laid out with their channels last, which is faster on CPUs.
        threads: intra-operation threads of one trial. One thread per trial and one trial per core is fastest on CPUs.
    """

    epochs: int = Field(default=50, ge=0)
    batch_size: int = Field(default=128, ge=1)
    optimizer: Part = Part(name="adam")
    learning_rate: float = Field(default=1e-3, gt=0)
    learning_rate_schedule: Literal["constant", "cosine", "step"] = "constant"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    augment: tuple[Part, ...] = ()
    distillation: Distillation | None = None
    device: str = Field(default="cpu", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = True
    threads: int = Field(default=1, ge=1)

    @model_serializer(mode="wrap")
    def _as_before_it_existed(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A training without distillation has the digest that it had when there was none."""
        return {key: value for key, value in handler(self).items() if key != "distillation" or value}


CLASSIFICATION = Part(name="classification")
"""The task of a study that names none."""

Rate = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0)]


class Trial(Frozen):
    """All that decides a trial's result; its digest is its identity.

    A trial at rate 0 has no recipe: it is the unpruned control, one per seed, shared by all recipes. Only a recipe with
    bits may be of rate 0: it quantises alone.
    """

    model: Part
    data: Part
    task: Part = CLASSIFICATION
    training: Training
    train: str | None = None
    recipe: Recipe | None
    rate: Rate
    seed: Seed

    @model_validator(mode="after")
    def _rate_zero_has_no_recipe(self) -> Trial:
        quantises = self.recipe is not None and self.recipe.bits is not None
        if (self.recipe is None) != (self.rate == 0) and not quantises:
            raise ValueError("a trial has a recipe exactly when its rate is above 0, or when it quantises")
        return self

    @model_serializer(mode="wrap")
    def _as_before_it_existed(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A trial of classification has the digest that it had when there was no other task, nor another loop."""
        absent = {"task": self.task == CLASSIFICATION, "train": self.train is None}
        return {key: value for key, value in handler(self).items() if not absent.get(key)}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON with all defaults written out, the first 16 hexadecimal digits."""
        return digest(self.model_dump(mode="json"))

    @property
    def label(self) -> str:
        """The trial in words: `structured 0.4, seed 1`."""
        name = f"{self.recipe.name} {self.rate:g}" if self.recipe else "unpruned"
        return f"{name}, seed {self.seed}"
