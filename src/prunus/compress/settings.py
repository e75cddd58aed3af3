"""What is asked of a compression: data that a TOML file can hold, and that repeats it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from prunus.errors import InputError, nearest
from prunus.spec import Distillation, Part, Training
from prunus.spec.load import with_absolute_files
from prunus.spec.part import Frozen, digest
from prunus.system.reading import read_whole

LARGEST_BYTES = 2**20
TARGETS = ("latency_ms", "bytes", "macs")
UNITS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "d": 86400}
FINETUNING = Training(epochs=100, learning_rate=1e-3, learning_rate_schedule="cosine", distillation=Distillation())
LEARNING_RATES = (1e-3, 3e-3)


class Target(Frozen):
    """A cost that is asked for."""

    kind: Literal["latency_ms", "bytes", "macs"]
    amount: float = Field(gt=0)

    @classmethod
    def of(cls, text: str) -> Target:
        """Read `latency_ms=3`. Raises `InputError` for anything else.

        >>> Target.of("latency_ms=3")
        Target(kind='latency_ms', amount=3.0)
        """
        kind, _, amount = text.partition("=")
        if kind.strip() not in TARGETS:
            raise InputError(f"There is no target {kind!r}", "", nearest(kind, TARGETS))
        try:
            number = float(amount)
        except ValueError:
            number = 0.0
        if not 0 < number < float("inf"):
            raise InputError(f"The target {text!r} cannot be read", "it takes a number above 0", f"write {kind}=3")
        return cls.model_validate({"kind": kind.strip(), "amount": number})


class Settings(Frozen):
    """What is asked of a compression.

    Attributes:
        model, weights, data: by name, as the command line has them; None where Python gave the objects themselves.
        task: what the network is for.
        keep: how much worse its metric may be, in the unit in which it is shown; None: the task's own margin. A
            relative margin (perplexity) is in percent.
        target: a cost to come to, in place of a margin.
        runtime, threads, batch_sizes: what it is to be fast on; the first batch size decides, all are measured.
        formats: the runtimes for which files are written; always those of `runtime`, and safetensors.
        budget_seconds: that all of it may take.
        training: how a cut network is trained on; how many of its epochs follows from the budget.
        learning_rates: to choose among, by a short training with each; none: that of `training`.
        protect: layers that keep their channels, by name or shell pattern.
        round_to: the number of channels that are left is a multiple of this.
        seed: of all that is drawn.
    """

    model: Part | None = None
    weights: str | None = None
    data: Part | None = None
    task: Part = Part(name="classification")
    keep: float | None = Field(default=None, gt=0)
    target: Target | None = None
    runtime: str = "onnxruntime"
    threads: int = Field(default=1, ge=1)
    batch_sizes: tuple[int, ...] = Field(default=(1,), min_length=1)
    formats: tuple[str, ...] = ()
    budget_seconds: float = Field(default=1800.0, gt=0)
    training: Training = FINETUNING
    learning_rates: tuple[float, ...] = LEARNING_RATES
    protect: tuple[str, ...] = ()
    round_to: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one_question(self) -> Settings:
        if self.keep is not None and self.target is not None:
            raise InputError(
                f"keep = {self.keep:g} and a target of {self.target.kind} = {self.target.amount:g} cannot both be had",
                "either the margin decides how much goes or the target does",
                "leave one of them out",
            )
        if min(self.learning_rates, default=1) <= 0:
            raise InputError(f"Learning rates {self.learning_rates} cannot be used", "each is above 0", "correct them")
        if min(self.batch_sizes) < 1:
            raise InputError(f"Batch sizes {self.batch_sizes} cannot be used", "a batch has one input at least")
        return self

    @classmethod
    def from_toml(cls, path: Path) -> Settings:
        """Read what `to_toml` wrote; its files are relative to its folder. Raises `InputError` that names the key."""
        try:
            table = tomllib.loads(read_whole(path, LARGEST_BYTES).decode())
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
            raise InputError(f"The settings {path} cannot be read", str(error), "check the file") from None
        try:
            found = cls(**table)
        except InputError as error:
            raise InputError(f"{path} holds no settings of a compression", error.why, error.do) from None
        return found.beside(path.resolve().parent)

    def beside(self, folder: Path) -> Settings:
        """With all files named in full that are named relative to a folder."""
        parts = {"model": self.model, "data": self.data, "task": self.task}
        absolute = {name: with_absolute_files(part, folder) for name, part in parts.items() if part is not None}
        weights = str(folder / Path(self.weights).expanduser()) if self.weights else None
        return self.model_copy(update={**absolute, "weights": weights})

    def to_toml(self) -> str:
        """As a file that `prunus compress FILE` reads; what has its default is left out."""
        return toml_text(self.model_dump(mode="json", exclude_defaults=True))

    @property
    def digest(self) -> str:
        """Identity of all that decides what is searched for; with a larger budget, or for other files, it goes on."""
        return digest(self.model_dump(mode="json", exclude={"budget_seconds", "formats"}))


def target_of(text: str | None) -> Target | None:
    """A target, if one is given."""
    return None if text is None else Target.of(text)


def seconds_of(text: str | float) -> float:
    """Read `30min`, `90s`, `2h` or a number of seconds. Raises `InputError` for anything else.

    >>> seconds_of("30min"), seconds_of("1.5 h"), seconds_of(90)
    (1800.0, 5400.0, 90.0)
    """
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([a-z]*)\s*", str(text).lower())
    if found is None or (found[2] or "s") not in UNITS or float(found[1]) <= 0:
        raise InputError(f"The budget {text!r} cannot be read", "it is a span of time", "write for example 30min or 2h")
    return float(found[1]) * UNITS[found[2] or "s"]


def toml_text(table: Mapping[str, Any]) -> str:
    """A table as the text of a TOML file."""
    return "\n".join(f"{key} = {_toml(value)}" for key, value in table.items()) + "\n"


def _toml(value: Any) -> str:
    """A value as TOML has it.

    >>> _toml({"name": "mlp", "hidden": [16], "bias": True})
    '{ name = "mlp", hidden = [16], bias = true }'
    """
    if isinstance(value, dict):
        named = {key if re.fullmatch(r"[\w-]+", key) else json.dumps(key): each for key, each in value.items()}
        pairs = (f"{key} = {_toml(each)}" for key, each in named.items() if each is not None)
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
