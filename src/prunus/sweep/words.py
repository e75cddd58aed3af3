"""Events through files of a shared folder, where a worker cannot be heard directly: one file per lease, append only."""

from __future__ import annotations

import threading
from pathlib import Path

from prunus.sweep.events import Event, Heard, Wire


class Pen:
    """Writes what a worker says. The file is closed after each event: a network file system shows it to others then."""

    def __init__(self, file: Path, token: str) -> None:
        self.file, self.token, self.lock = file, token, threading.Lock()

    def tell(self, event: Event) -> None:
        """One event; the thread that shows a sign of life writes here, too."""
        with self.lock, self.file.open("ab") as file:
            file.write(Wire.encode(event, self.token))


class Ear:
    """Reads what a worker says, from where it stopped reading."""

    def __init__(self, file: Path) -> None:
        self.file, self.read_bytes, self.unread = file, 0, b""

    def hear(self) -> list[Heard]:
        """What is new; half a line waits for its other half."""
        try:
            with self.file.open("rb") as file:
                file.seek(self.read_bytes)
                data = file.read()
        except FileNotFoundError:
            return []
        self.read_bytes += len(data)
        *lines, self.unread = (self.unread + data).split(b"\n")
        return [Wire.decode(line) for line in lines]
