"""The data that a command line names: `--data` and `--data-set`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prunus.data import Dataset


def named_data(name: str, settings: list[str] | None) -> Dataset:
    """Load the data set. Raises `InputError` for a name that is unknown, `MissingError` for files not there."""
    from prunus.cli.named_network import part_of
    from prunus.data import load_data

    return load_data(part_of(name, settings or []))
