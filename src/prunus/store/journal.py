"""SQLite's rollback journal, read without SQLite: what it would put back, and which other file it names.

The format is described in https://www.sqlite.org/fileformat2.html#the_rollback_journal. SQLite itself would open the
database for writing, and after it had rolled back it would delete the file that a journal names as its super-journal
(the one of a transaction over several databases), whatever that is. A journal of a stranger is therefore never shown
to SQLite before it was looked at here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = bytes.fromhex("d9d505f920a163d7")
HEADER = struct.Struct(">8sIIIII")  # magic, records, nonce, pages before the transaction, sector size, page size
UNCOUNTED = 0xFFFFFFFF  # records up to the journal's end
LOCK_BYTE = 0x40000000  # the page with this byte is never stored
LARGEST_BLOCK, SMALLEST_PAGE, SMALLEST_SECTOR = 65536, 512, 32


@dataclass(frozen=True)
class _Header:
    """What one segment of a journal begins with."""

    records: int
    nonce: int
    pages: int
    sector_size: int
    page_size: int


def names_another_file(journal: bytes) -> bool:
    """Whether a journal ends with the name of a super-journal, which SQLite would look up and delete."""
    return len(journal) >= 16 and journal[-8:] == MAGIC and journal[-16:-12] != bytes(4)


def rolled_back(database: bytes, journal: bytes) -> bytes:
    """The database before the transaction that left this journal.

    A journal that does not begin as one, such as one that was zeroed after a commit, changes nothing, and neither does
    one whose transaction has not yet written to the database. Whatever was cut off or never synced is left out, as
    SQLite leaves it out. Raises `ValueError` for one that asks for more pages than there can be.
    """
    first = _header(journal, 0)
    if first is None:
        return database
    size = first.page_size
    if first.pages * size > len(database) + len(journal):
        raise ValueError(f"its journal speaks of {first.pages:,} pages, and there are fewer")
    before = bytearray(database[: first.pages * size].ljust(first.pages * size, b"\0"))
    for number, page in _pages(journal, first):
        if number <= first.pages:
            before[(number - 1) * size : number * size] = page
    return bytes(before)


def _pages(journal: bytes, first: _Header) -> Iterator[tuple[int, bytes]]:
    """Number and former content of every page that was synced, up to the first record that does not hold together."""
    sector, size = first.sector_size, first.page_size
    place = 0
    while (header := _header(journal, place, first)) is not None:
        place += sector
        there = (len(journal) - place) // (size + 8)
        for _ in range(there if header.records == UNCOUNTED else min(header.records, there)):
            number, content = int.from_bytes(journal[place : place + 4]), journal[place + 4 : place + 4 + size]
            checksum = int.from_bytes(journal[place + 4 + size : place + 8 + size])
            if number in (0, LOCK_BYTE // size + 1) or checksum != _checksum(header.nonce, content):
                return
            yield number, content
            place += size + 8
        # It was cut off, or goes on to the journal's end: no other segment follows.
        if header.records > there:  # also where it is uncounted
            return
        # The next header begins at a whole sector, so that writing it cannot spoil records that were synced.
        place = -(-place // sector) * sector


def _header(journal: bytes, place: int, first: _Header | None = None) -> _Header | None:
    """The header at that place; None if there is none. Sizes are those of the first one."""
    if len(journal) < place + HEADER.size:
        return None
    magic, records, nonce, pages, sector_size, page_size = HEADER.unpack_from(journal, place)
    if first is not None:
        sector_size, page_size = first.sector_size, first.page_size
    fits = _is_size(sector_size, SMALLEST_SECTOR) and _is_size(page_size, SMALLEST_PAGE)
    if magic != MAGIC or not fits or len(journal) < place + sector_size:
        return None
    return _Header(records, nonce, pages, sector_size, page_size)


def _is_size(value: int, smallest: int) -> bool:
    return smallest <= value <= LARGEST_BLOCK and value & (value - 1) == 0


def _checksum(nonce: int, page: bytes) -> int:
    """The sum of every 200th byte from the end, as SQLite takes it."""
    return (nonce + sum(page[len(page) - 200 : 0 : -200])) & 0xFFFFFFFF
