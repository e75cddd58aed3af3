"""Events through files of a shared folder, where a worker cannot be heard directly: one file per lease, append only."""

from __future__ import annotations

import threading
from pathlib import Path

from prunus.sweep.events import Event, Received, Wire

MOST_BYTES_AT_ONCE = 1 << 20


class EventWriter:
    """Writes what a worker says. The file is closed after each event: a network file system shows it to others then."""

    def __init__(self, file: Path, token: str) -> None:
        self.file, self.token, self.lock = file, token, threading.Lock()

    def tell(self, event: Event) -> None:
        """One event; the thread that shows a sign of life writes here, too."""
        with self.lock, self.file.open("ab") as file:
            file.write(Wire.encode(event, self.token))


class EventReader:
    """Reads what a worker says, from where it stopped reading.

    What is no event, because a disk or a stranger spoiled it, is passed over: a trial whose end was in it counts as
    lost once its process is known to have ended or its lease runs out.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.read_bytes, self.unread = file, 0, b""

    def hear(self) -> list[Received]:
        """What is new; half a line waits for its other half."""
        try:
            with self.file.open("rb") as file:
                file.seek(self.read_bytes)
                data = file.read(MOST_BYTES_AT_ONCE)
        except FileNotFoundError:
            return []
        self.read_bytes += len(data)
        *lines, self.unread = (self.unread + data).split(b"\n")
        self.unread = self.unread[:MOST_BYTES_AT_ONCE]
        return [heard for line in lines if (heard := _understood(line)) is not None]


def _understood(line: bytes) -> Received | None:
    try:
        return Wire.decode(line)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
