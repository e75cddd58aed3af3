"""Columns as a data frame of whichever library is there."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from prunus.errors import InputError, MissingError, nearest

LIBRARIES = ("pandas", "polars")


def frame_of(columns: dict[str, list[Any]], library: str = "") -> Any:
    """A data frame; of the library that is imported already, else of the first that is installed.

    Raises `InputError` for another library, `MissingError` where there is none.
    """
    if library and library not in LIBRARIES:
        raise InputError(f"There are no data frames of {library!r}", "", nearest(library, LIBRARIES))
    wanted = (library,) if library else (*(one for one in LIBRARIES if one in sys.modules), *LIBRARIES)
    found = next((one for one in wanted if find_spec(one)), None)
    if found is None:
        name = library or " or ".join(LIBRARIES)
        raise MissingError(f"{name} is not installed", "a data frame is of one of them", f"pip install {wanted[0]}")
    return import_module(found).DataFrame(columns)
