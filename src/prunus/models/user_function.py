"""A network from a function of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, JsonValue

from prunus.errors import InputError
from prunus.models.source import ModelSource
from prunus.user_code import load_function

if TYPE_CHECKING:
    from torch import nn


class UserModel(ModelSource):
    """The `nn.Module` that `path/file.py:function` returns when it is called with the settings as keywords.

    The function, or class, is given `input_shape` and `classes` too if it names them. What it gives these two as
    defaults is used when there are no data.
    """

    function: str
    settings: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def default_input_shape(self) -> tuple[int, ...]:
        """The default of the function's own `input_shape`. Raises `InputError` if it has none."""
        shape = load_function(self.function).default("input_shape")
        if shape is None:
            raise InputError(
                f"The input shape of {self.function} is not known",
                "the function has no default for 'input_shape'",
                "name the shape, or give the function that default",
            )
        return tuple(int(size) for size in shape)

    @property
    def default_classes(self) -> int:
        """The default of the function's own `classes`, or 10."""
        return int(load_function(self.function).default("classes") or 10)

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Run the user's file and function."""
        from torch import nn

        function = load_function(self.function)
        known = {"input_shape": input_shape, "classes": classes}
        model = function(**{key: value for key, value in known.items() if key in function.keywords}, **self.settings)
        if not isinstance(model, nn.Module):
            raise InputError(
                f"The function {self.function} returned {type(model).__name__}",
                "a model function returns a torch.nn.Module",
                "correct what it returns",
            )
        return model.train()
