"""What plugs in as a source of data."""

from __future__ import annotations

from abc import ABC, abstractmethod

from prunus.data.dataset import Dataset
from prunus.registry import Registry
from prunus.spec.part import Frozen


class DataSource(Frozen, ABC):
    """A source of data; the fields of a subclass are its settings.

    `load` returns the same data at every call on every machine, whatever the state of any random generator, and reads
    files without running code from them.
    """

    @abstractmethod
    def load(self) -> Dataset:
        """Bring the data into memory. Raises `MissingError` for absent files, `InputError` for files in disorder."""


DATA: Registry[type[DataSource]] = Registry("data set")
