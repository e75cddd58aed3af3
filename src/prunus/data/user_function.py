"""Data from a function of the user's own."""

from __future__ import annotations

from pydantic import Field, JsonValue

from prunus.data.dataset import Dataset
from prunus.data.source import DataSource
from prunus.errors import InputError
from prunus.user_code import load_function


class UserData(DataSource):
    """What `path/file.py:function` returns when it is called with the settings as keywords.

    That is a `prunus.data.Dataset`, or a tuple (x_train, y_train, x_test, y_test) of arrays or tensors.
    """

    function: str
    settings: dict[str, JsonValue] = Field(default_factory=dict)

    def load(self) -> Dataset:
        """Run the user's file and function."""
        from prunus.data.arrays import dataset_of

        result = load_function(self.function)(**self.settings)
        if isinstance(result, Dataset):
            return result
        if isinstance(result, tuple) and len(result) == 4:
            return dataset_of(self.function, result, classes=None)
        found = f"a tuple of {len(result)}" if isinstance(result, tuple) else type(result).__name__
        raise InputError(
            f"The function {self.function} returned {found}",
            "a data function returns a Dataset or (x_train, y_train, x_test, y_test)",
            "correct what it returns",
        )
