"""Whatever a packed file holds, reading it gives the network or one clear error."""

import json
import struct
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import zstandard

from prunus.errors import InputError
from prunus.sparse.engine import Engine
from prunus.sparse.packing import read_packed, write_packed
from prunus.sparse.packing.reading import parse_packed
from prunus.sparse.packing.writing import MAGIC, START, VERSION
from sparse.executors import reference
from sparse.packed import small_plan

MUTATIONS = 10_000


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "a.prunus"
    write_packed(path, [small_plan()])
    return path.read_bytes()


def mutated(content: bytes, generator: np.random.Generator) -> bytes:
    """Bytes changed, cut out, put in, or cut off."""
    found = bytearray(content)
    place = int(generator.integers(len(found)))
    match int(generator.integers(5)):
        case 0:
            found[place] ^= 1 << int(generator.integers(8))
        case 1:
            for _ in range(int(generator.integers(1, 9))):
                found[int(generator.integers(len(found)))] = int(generator.integers(256))
        case 2:
            del found[place:]
        case 3:
            found[place:place] = generator.bytes(int(generator.integers(1, 9)))
        case 4:
            del found[place : place + int(generator.integers(1, 9))]
    return bytes(found)


def error_of(content: bytes) -> str:
    """What the reader says of a file, "" where it takes it."""
    try:
        parse_packed(memoryview(content), Path("mutated.prunus"))
    except InputError as error:
        return str(error)
    return ""


def test_every_mutated_file_is_one_clear_error(content):
    generator, count = np.random.default_rng(0), 0
    while count < MUTATIONS:
        changed = mutated(content, generator)
        if changed != content:
            assert error_of(changed).startswith(("mutated.prunus is ", "mutated.prunus has version "))
            count += 1


def with_header(content: bytes, change) -> bytes:
    """The file with another header under a checksum that fits."""
    _, _, _, stored, _ = START.unpack_from(content)
    text = zstandard.ZstdDecompressor().decompress(content[START.size : START.size + stored])
    changed = json.dumps(change(json.loads(text))).encode()
    packed = zstandard.ZstdCompressor().compress(changed)
    rest = packed + content[START.size + stored :]
    return START.pack(MAGIC, VERSION, zlib.crc32(rest), len(packed), len(changed)) + rest


def signed(content, rest):
    """The file with another rest under a checksum that fits."""
    magic, version, _, stored, full = START.unpack_from(content)
    return START.pack(magic, version, zlib.crc32(rest), stored, full) + rest


def paths(value, at=()):
    """Every place in nested data."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*at, key)
        yield from paths(inner, (*at, key))


def replaced(data, place, value):
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return data


VALUES = [0, 1, -1, 7, 2**31, 2**63, 1e300, None, "x", "", [], {}, [1, 2], True]


def test_no_mutated_content_under_a_checksum_that_fits_makes_it_crash(content):
    generator = np.random.default_rng(1)
    errors = [error_of(signed(content, mutated(content[START.size :], generator))) for _ in range(2000)]
    assert sum(error != "" for error in errors) > 1500  # the rest are networks with other weights


def test_no_header_makes_it_crash_or_read_beyond(content):
    """Every value of the header in turn replaced: an error, or a network that runs."""
    headers = []
    with_header(content, lambda data: headers.append(data) or data)
    places = list(paths(headers[0]))
    inputs = np.zeros((2, 3, 6, 6), np.float32)
    refused = 0
    for place in places:
        for value in VALUES:
            changed = with_header(content, partial(replaced, place=place, value=value))
            try:
                plan = parse_packed(memoryview(changed), Path("mutated.prunus")).plan()
                Engine(plan, 1, prepare=reference).run(inputs)
            except InputError:
                refused += 1
    assert refused > 0.8 * len(places) * len(VALUES)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (lambda c: b"", "is not a packed network"),
        (lambda c: b"PK\x03\x04" + c, "is not a packed network"),
        (lambda c: c[:-1], "is damaged. Its checksum does not fit"),
        (lambda c: c + b"\0", "is damaged. Its checksum does not fit"),
        (lambda c: c[:-9] + b"\0" + c[-8:], "is damaged. Its checksum does not fit"),
        (lambda c: signed(c, c[START.size : -1]), "is damaged.*bytes of tensors are expected"),
        (lambda c: signed(c, c[START.size :] + b"\0"), "is damaged.*bytes of tensors are expected"),
        (lambda c: signed(c, c[START.size : 40]), "is damaged. It ends within its header"),
        (lambda c: MAGIC + struct.pack("<I", VERSION + 1) + c[12:], f"has version {VERSION + 1}.*update prunus"),
    ],
)
def test_what_is_wrong_is_said(changed, message, content, tmp_path):
    path = tmp_path / "a.prunus"
    path.write_bytes(changed(content))
    with pytest.raises(InputError, match=f"(?i){message}"):
        read_packed(path)


def test_a_size_that_no_memory_has_is_refused_before_anything_is_made_of_it(content, tmp_path):
    def bomb(data):
        data["tensors"][0]["shape"] = [2**31, 2**8]
        return data

    path = tmp_path / "a.prunus"
    path.write_bytes(with_header(content, bomb))
    with pytest.raises(InputError, match="A tensor would have"):
        read_packed(path)


def test_a_missing_file_is_one_clear_error(tmp_path):
    with pytest.raises(InputError, match=r"none\.prunus cannot be read"):
        read_packed(tmp_path / "none.prunus")
