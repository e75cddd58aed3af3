"""Changes to an input: any bytes of any format, and values of what is JSON."""

from __future__ import annotations

import json
import random

from security.test_mutations import weird

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, 1 << 63)
MOST_CHANGES = 6


def mutated(content: bytes, others: list[bytes], draw: random.Random, most_bytes: int) -> bytes:
    """The content with a few changes, at most so long. others: inputs of which parts may be put in."""
    if draw.random() < 0.6 and (changed := _of_json(content, draw)) is not None:
        return changed[:most_bytes]
    found = bytearray(content)
    for _ in range(draw.randint(1, MOST_CHANGES)):
        place = draw.randrange(len(found) + 1)
        match draw.randrange(7):
            case 0 if place < len(found):
                found[place] ^= 1 << draw.randrange(8)
            case 1:
                number = draw.choice(INTERESTING).to_bytes(8, draw.choice(("little", "big")))
                width = draw.choice((1, 2, 4, 8))
                found[place : place + width] = number[:width] if draw.random() < 0.5 else number[-width:]
            case 2:
                del found[place : place + draw.choice((1, 4, 64, 4096))]
            case 3:
                found[place:place] = draw.randbytes(draw.randint(1, 16))
            case 4:
                other = draw.choice(others)
                begin = draw.randrange(len(other) + 1)
                found[place:place] = other[begin : begin + draw.choice((4, 32, 512))]
            case 5:
                found[place:place] = found[place : place + draw.choice((8, 128, 4096))]
            case 6 if draw.random() < 0.2:
                del found[place:]
    return bytes(found[:most_bytes])


def _of_json(content: bytes, draw: random.Random) -> bytes | None:
    try:
        return json.dumps(weird(json.loads(content), draw)).encode()
    except (ValueError, RecursionError):
        return None
