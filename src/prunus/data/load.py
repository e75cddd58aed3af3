"""From the part that a specification names, or a function of the user's own, to data in memory."""

from __future__ import annotations

from pydantic import Field, JsonValue

from prunus.data.dataset import DATA, AnyTargets, Dataset, DataSource
from prunus.errors import InputError
from prunus.spec.part import Part, make
from prunus.system.user_code import is_reference, load_function

FUNCTION = "file.py:FUNCTION"


def load_data(part: Part, *, indices: bool = True) -> Dataset:
    """Load and check the data that a part names: a registered source, or `path/file.py:function`.

    Args:
        part: the name, and the settings of the source. A Python file that it names is run.
        indices: whether targets are indices of classes, as they are of classification and of no other task.

    Returns:
        Training and test data, in memory or read from a Dataset or DataLoader of the user's while it is trained.

    Raises:
        InputError: what the user can correct: an unknown name or setting, data in disorder.
        MissingError: files that are not there.

    Example:
        >>> digits = load_data(Part(name="digits"))
        >>> digits.input_shape, len(digits.classes), len(digits.train.targets)
        ((1, 8, 8), 10, 1437)
    """
    from prunus.data.check import check

    try:
        return check(_loaded(data_source(part), indices), indices=indices)
    except OSError as error:  # a disk that fails, a file that may not be read
        raise InputError(f"The data set {part.name!r} cannot be read", str(error), "check its files") from None


def _loaded(source: DataSource, indices: bool) -> Dataset:
    """What the source has; only those that take arrays of any kind are asked whether targets are classes."""
    return source.load(indices=indices) if isinstance(source, AnyTargets) else source.load()


def data_source(part: Part) -> DataSource:
    """The source that a part names, its settings validated. Raises `InputError` with the nearest names."""
    if is_reference(part.name):
        return UserData(function=part.name, settings=part.settings)
    DATA.get(part.name, (FUNCTION,))
    return make(DATA, part)


def data_names() -> tuple[str, ...]:
    """All that a study can name as its data; the last one stands for a function of the user's own."""
    return (*DATA.names(), FUNCTION)


class UserData(AnyTargets):
    """What `path/file.py:function` returns when it is called with the settings as keywords.

    That is a `prunus.data.Dataset`; a tuple (x_train, y_train, x_test, y_test) of arrays or tensors; or (train, test)
    or (train, validation, test), or a dictionary of these, of torch Datasets, map-style or iterable, or DataLoaders.
    """

    function: str
    settings: dict[str, JsonValue] = Field(default_factory=dict)

    def load(self, *, indices: bool = True) -> Dataset:
        """Run the user's file and function."""
        from prunus.data.check import dataset_of
        from prunus.data.streamed import dataset_of_streams

        result = load_function(self.function)(**self.settings)
        if isinstance(result, Dataset):
            return result
        if (streams := dataset_of_streams(self.function, result)) is not None:
            return streams
        if isinstance(result, tuple) and len(result) == 4:
            return dataset_of(self.function, result, None, indices=indices)
        found = f"a tuple of {len(result)}" if isinstance(result, tuple) else type(result).__name__
        raise InputError(
            f"The function {self.function} returned {found}",
            "a data function returns a Dataset or (x_train, y_train, x_test, y_test), or (train, test) or "
            "(train, validation, test) of torch Datasets or DataLoaders",
            "correct what it returns",
        )
