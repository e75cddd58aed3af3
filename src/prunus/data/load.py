"""From the part that a specification names to data in memory."""

from __future__ import annotations

from prunus.data.dataset import Dataset
from prunus.data.source import DATA, DataSource
from prunus.data.user_function import UserData
from prunus.errors import InputError, nearest
from prunus.spec.part import Part
from prunus.spec.plugin import make
from prunus.user_code import is_reference

FUNCTION = "file.py:FUNCTION"


def load_data(part: Part) -> Dataset:
    """Load and check the data that a part names: a registered source, or `path/file.py:function`.

    Raises `InputError` for what the user can correct, `MissingError` for files that are not there.
    """
    from prunus.data.check import check

    try:
        return check(data_source(part).load())
    except OSError as error:  # a disk that fails, a file that may not be read
        raise InputError(f"The data set {part.name!r} cannot be read", str(error), "check its files") from None


def data_source(part: Part) -> DataSource:
    """The source that a part names, its settings validated. Raises `InputError` with the nearest names."""
    if is_reference(part.name):
        return UserData(function=part.name, settings=part.settings)
    if part.name not in DATA:
        raise InputError(f"There is no data set {part.name!r}", "", nearest(part.name, (*DATA.names(), FUNCTION)))
    return make(DATA, part)


def data_names() -> tuple[str, ...]:
    """All that a study can name as its data; the last one stands for a function of the user's own."""
    return (*DATA.names(), FUNCTION)
