"""SQLite's write-ahead log, read without SQLite: the database as the last transaction in the log left it.

The format is described in https://www.sqlite.org/fileformat2.html#the_write_ahead_log. Stores are kept with a rollback
journal, but another program can have set one to a log, and SQLite itself would write to the folder to read it.
"""

from __future__ import annotations

import struct

HEADER = struct.Struct(">IIIIIIII")  # magic, version, page size, checkpoints, two salts, two sums
FRAME = struct.Struct(">IIIIII")  # page, pages after a commit or 0, two salts, two sums
BYTE_ORDERS = {0x377F0682: "<", 0x377F0683: ">"}
"""In which order the sums take bytes, by the log's magic number."""
VERSION = 3007000
ROLLBACK_MODE, LOG_MODE = b"\1\1", b"\2\2"
MODE = slice(18, 20)  # of a database's header

Sums = tuple[int, int]


def has_log(database: bytes) -> bool:
    """Whether a write-ahead log belongs to the database."""
    return database[MODE] == LOG_MODE


def same_log(one: bytes, other: bytes) -> bool:
    """Whether two moments of a log have the same beginning: nothing that the first one holds was written over since."""
    return one[: HEADER.size] == other[: HEADER.size]


def checkpointed(database: bytes, log: bytes) -> bytes:
    """The database with all that was committed to its log, in the mode that needs no files beside it.

    A log that does not begin as one changes nothing, and whatever was cut off, or belongs to an earlier use of the log,
    is left out, as SQLite leaves it out. Raises `ValueError` for one that speaks of more pages than there can be.
    """
    places, size, pages = _committed(log)
    if pages * size > len(database) + len(log):
        raise ValueError(f"its write-ahead log speaks of {pages:,} pages, and there are fewer")
    after = bytearray(database)
    if pages:
        after = after[: pages * size].ljust(pages * size, b"\0")
    for number, place in places.items():
        if number <= pages:
            after[(number - 1) * size : number * size] = log[place : place + size]
    after[MODE] = ROLLBACK_MODE
    return bytes(after)


def _committed(log: bytes) -> tuple[dict[int, int], int, int]:
    """Where the last content of each page that was committed lies; the size of a page; pages of the database."""
    committed: dict[int, int] = {}
    if len(log) < HEADER.size:
        return committed, 0, 0
    magic, version, size, _, *salts, sum_1, sum_2 = HEADER.unpack_from(log)
    order, sums = BYTE_ORDERS.get(magic, ""), (sum_1, sum_2)
    is_size = 512 <= size <= 65536 and size & (size - 1) == 0
    if not order or version != VERSION or not is_size or sums != _sums(log[: HEADER.size - 8], order, (0, 0)):
        return committed, 0, 0
    pending: dict[int, int] = {}
    pages = 0
    for place in range(HEADER.size, len(log) - FRAME.size - size + 1, FRAME.size + size):
        number, pages_then, *own_salts, sum_1, sum_2 = FRAME.unpack_from(log, place)
        content = place + FRAME.size
        sums = _sums(log[content : content + size], order, _sums(log[place : place + 8], order, sums))
        if own_salts != salts or number == 0 or sums != (sum_1, sum_2):
            break
        pending[number] = content
        if pages_then:
            pages = pages_then
            committed |= pending
            pending = {}
    return committed, size, pages


def _sums(content: bytes, order: str, sums: Sums) -> Sums:
    """Both sums over pairs of 32-bit words, going on from those before; the log says in which order their bytes are."""
    one, other = sums
    words = struct.unpack(f"{order}{len(content) // 4}I", content)
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + other) & 0xFFFFFFFF
        other = (other + second + one) & 0xFFFFFFFF
    return one, other
