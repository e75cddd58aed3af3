"""The cut by itself, for who has a plan and wants the model."""

from __future__ import annotations

from typing import Any

from torch import nn

from prunus.surgery.plan import Plan
from prunus.surgery.shrink import shrink


def cut(model: nn.Module, plan: Plan, example_inputs: Any) -> nn.Module:
    """A smaller copy that is proven to compute what the masked model computes; the model passed in is untouched.

    Raises `InputError` if the plan was made for another model, `DifferenceError` if the proof fails.
    """
    return shrink(model, plan, example_inputs).model
