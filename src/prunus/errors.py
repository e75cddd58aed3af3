"""The errors a user can meet. A message says what happened, why, and what to do."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable


class PrunusError(Exception):
    """Base of every error that prunus raises on purpose.

    `what` names the user's own thing (file, line, layer, key) and stays as it is written, since a name may stand at its
    beginning; `why` is the reason, `do` the way out.
    `exit_code` is what the command line ends with; the list is in docs/cli.md.

    >>> str(PrunusError("There is no model 'vgg12'", "no model of that name is registered", "try 'vgg11'"))
    "There is no model 'vgg12'. No model of that name is registered. Try 'vgg11'."
    """

    exit_code = 1

    def __init__(self, what: str, why: str = "", do: str = "") -> None:
        super().__init__(what, why, do)  # all arguments in args, so that the error pickles between processes
        self.what, self.why, self.do = what, why, do

    def __str__(self) -> str:
        more = (_capital(part.strip()) for part in (self.why, self.do))
        return " ".join(_stop(part) for part in (self.what.strip(), *more) if part)


class InputError(PrunusError):
    """What the user wrote cannot be used: an unknown name or key, a value out of range, a wrong shape."""

    exit_code = 2


class NotFiniteError(InputError):
    """A loss, a weight, a score or an activation is NaN or infinite."""

    exit_code = 1


class TrialsFailedError(PrunusError):
    """The study ended, but trials in it failed; everything else is stored."""

    exit_code = 3


class StoreError(PrunusError):
    """A study's folder cannot be used: in use, changed, damaged, or of a newer version."""

    exit_code = 4


class DamagedStoreError(StoreError):
    """A study's store was written over, cut off or lost in part; a report of what is left can still be made."""

    def __init__(self, path: object, why: str) -> None:
        do = "restore it from a copy, or make it anew from the results beside it: prunus run DIR --rebuild-store"
        super().__init__(f"{path} is damaged", why, f"{do}; `prunus report` shows what is left")


class StoreLockedError(StoreError):
    """Another program has locked a study's store, and does not let go of it."""

    def __init__(self, path: object, holders: str) -> None:
        who = f" by {holders}" if holders else " by another program"
        super().__init__(
            f"{path} is locked{who}",
            "nothing can be read or written there meanwhile; results of trials lie beside it and are taken in later",
            "have that program close the file, and run the same command again to continue",
        )


class MissingError(PrunusError):
    """The machine lacks something: a package, a compiler, space on the disk, a device."""

    exit_code = 5


class DiskFullError(MissingError):
    """Nothing more can be written; all that was acknowledged is safe."""

    def __init__(self, path: object) -> None:
        super().__init__(
            f"The disk that holds {path} is full",
            "what was being written is lost; all that was stored before is safe",
            "free some space and run the same command again to continue",
        )


def of_file_system(error: OSError) -> PrunusError:
    """What the operating system refused, as an error of ours; which file it was about is named where it is known."""
    if is_disk_full(error):
        return DiskFullError(error.filename or "the working folder")
    subject = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "A file or folder"
    why, do = error.strerror or str(error), WAYS_OUT.get(error.errno or 0, "check the path and the disk")
    return MissingError(f"{subject} cannot be used", why, do)


WAYS_OUT = {
    errno.EACCES: "see to its permissions, or choose another place",
    errno.EPERM: "see to its permissions, or choose another place",
    errno.EROFS: "choose a place on a disk that can be written to",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOLCK: "choose a place on a disk of this machine",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
}


def is_disk_full(error: BaseException) -> bool:
    """Whether the operating system refused to write for lack of space."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _capital(text: str) -> str:
    """With a capital, but for a name of the user's (`mine.toml`) at its beginning, which stays.

    >>> _capital("mine.toml is empty"), _capital("sbatch: no such job"), _capital("it is empty")
    ('mine.toml is empty', 'sbatch: no such job', 'It is empty')
    """
    return text[:1].upper() + text[1:] if text.partition(" ")[0].rstrip(",;.!?").isalpha() else text


def _stop(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":")) else text + "."


MOST_COMPARED, MOST_NAMED = 2000, 60
"""A file may hold a million names."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known names are nearest to a name that is unknown.

    >>> nearest("magnitud", ["magnitude", "random"])
    "did you mean 'magnitude'? Known: magnitude, random"
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names[:MOST_COMPARED], n=2, cutoff=0.6)
    hint = f"did you mean {' or '.join(repr(n) for n in close)}? " if close else ""
    shown = names if len(names) <= MOST_NAMED else [*names[:MOST_NAMED], f"and {len(names) - MOST_NAMED:,} more"]
    return f"{hint}Known: {', '.join(shown) or 'none'}"


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its class where it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
