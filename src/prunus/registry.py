"""Names of parts that can be plugged in: name -> part, duplicates refused, unknown names answered with the nearest."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, distributions
from types import MappingProxyType
from typing import Generic, TypeVar

from prunus.errors import InputError, nearest

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of one kind of part.

    base: the class that a part is a subclass of, or an instance where `instances` says so.
    A package of a third party adds to it by an entry point in the group `prunus.<kind>`, loaded at the first look-up
    of a name that is not built in. One that is broken is an error only where it is asked for.

    >>> criteria = Registry[int]("criterion")
    >>> criteria.register("magnitude", 1)
    >>> criteria.get("magnitud")
    Traceback (most recent call last):
    ...
    prunus.errors.InputError: There is no criterion 'magnitud'. Did you mean 'magnitude'? Known: magnitude.
    """

    def __init__(self, kind: str, base: type = object, *, instances: bool = False) -> None:
        self.kind, self.base, self.instances = kind, base, instances
        self._parts: dict[str, T] = {}
        self._entry_points_loaded = False
        self._broken: dict[str, InputError] = {}

    def register(self, name: str, part: T) -> None:
        """Add a part under a name that is still free."""
        if name in self._parts:
            raise InputError(
                f"The {self.kind} {name!r} is registered twice",
                "each name stands for one part",
                "give one of the two another name",
            )
        self._parts[name] = part

    def get(self, name: str, others: Iterable[str] = ()) -> T:
        """Return the part of that name. Raises `InputError` with the nearest names; others: known beside these."""
        if name not in self._parts:
            self._load_entry_points()
        if name not in self._parts:
            if name in self._broken:
                raise self._broken[name]
            raise InputError(f"There is no {self.kind} {name!r}", "", nearest(name, (*self._parts, *others)))
        return self._parts[name]

    def names(self) -> tuple[str, ...]:
        """All names, in the order of registration."""
        self._load_entry_points()
        return tuple(self._parts)

    def broken(self) -> Mapping[str, InputError]:
        """What is wrong with the parts of installed packages that cannot be used; they harm no others."""
        self._load_entry_points()
        return MappingProxyType(self._broken)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: str) -> bool:
        return name in self.names()

    def _load_entry_points(self) -> None:
        if self._entry_points_loaded:
            return
        self._entry_points_loaded = True
        for point in _entry_points(f"prunus.{self.kind.replace(' ', '_')}"):
            try:
                part = point.load()
                if why := self._misfit(part):
                    raise TypeError(why)
                self.register(point.name, part)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # whatever importing another's package may raise
                self._broken[point.name] = InputError(
                    f"The {self.kind} {point.name!r} of an installed package cannot be used",
                    f"{point.value}: {type(error).__name__}: {error}",
                    "mend or remove that package",
                )

    def _misfit(self, part: object) -> str | None:
        """What a part lacks of its kind's contract, as far as that can be told without using it."""
        if self.instances:
            return (
                None if isinstance(part, self.base) else f"it is of type {type(part).__name__}, not {_name(self.base)}"
            )
        if self.base is object and not any(isinstance(one, type) for one in self._parts.values()):
            return None
        if not isinstance(part, type):
            return f"it is {type(part).__name__}, and all others are classes"
        if not issubclass(part, self.base):
            return f"{part.__name__} is no subclass of {_name(self.base)}"
        declared = (name for name, kind in inspect.get_annotations(self.base).items() if "ClassVar" in str(kind))
        lacking = [name for name in declared if not hasattr(part, name)]
        lacking += getattr(part, "__abstractmethods__", ())
        return f"{part.__name__} has no {', '.join(sorted(lacking))}" if lacking else None


def _name(base: type) -> str:
    return f"{base.__module__}.{base.__qualname__}"


def _entry_points(group: str) -> Iterator[EntryPoint]:
    """The entry points of all installed packages; one whose metadata cannot be read is passed over."""
    seen = set()
    for package in distributions():
        try:
            found = package.entry_points.select(group=group)
            name = package.name if found else ""
        except Exception:  # noqa: S112  # whatever somebody has left among the installed packages
            continue
        if found and name not in seen:  # the first on the path is the one that is imported
            seen.add(name)
            yield from found
