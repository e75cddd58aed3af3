"""Names of parts that can be plugged in: name -> part, duplicates refused, unknown names answered with the nearest."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from prunus.errors import InputError, nearest

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of one kind of part.

    A package of a third party adds to it by an entry point in the group `prunus.<kind>`, loaded at the first look-up
    of a name that is not built in.

    >>> criteria = Registry[int]("criterion")
    >>> criteria.register("magnitude", 1)
    >>> criteria.get("magnitud")
    Traceback (most recent call last):
    ...
    prunus.errors.InputError: There is no criterion 'magnitud'. Did you mean 'magnitude'? Known: magnitude.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._parts: dict[str, T] = {}
        self._entry_points_loaded = False

    def register(self, name: str, part: T) -> None:
        """Add a part under a name that is still free."""
        if name in self._parts:
            raise InputError(
                f"The {self.kind} {name!r} is registered twice",
                "each name stands for one part",
                "give one of the two another name",
            )
        self._parts[name] = part

    def get(self, name: str) -> T:
        """Return the part of that name. Raises `InputError` with the nearest names."""
        if name not in self._parts:
            self._load_entry_points()
        if name not in self._parts:
            raise InputError(f"There is no {self.kind} {name!r}", "", nearest(name, self._parts))
        return self._parts[name]

    def names(self) -> tuple[str, ...]:
        """All names, in the order of registration."""
        self._load_entry_points()
        return tuple(self._parts)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: str) -> bool:
        return name in self.names()

    def _load_entry_points(self) -> None:
        if self._entry_points_loaded:
            return
        self._entry_points_loaded = True
        for point in entry_points(group=f"prunus.{self.kind.replace(' ', '_')}"):
            try:
                part = point.load()
            except Exception as error:  # whatever importing another's package may raise
                raise InputError(
                    f"The {self.kind} {point.name!r} of an installed package cannot be loaded",
                    f"{point.value}: {type(error).__name__}: {error}",
                    "mend or remove that package",
                ) from error
            self.register(point.name, part)
