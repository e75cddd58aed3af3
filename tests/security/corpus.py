"""Files that want to be more than data."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

MARK = "executed"
"""A file of this name appears beside a hostile one once its payload has run."""

HUGE = 1 << 40


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def _pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Payload(path.parent / MARK)))


def _torch_file(path: Path) -> None:
    """As `torch.save` writes it: a zip archive with a pickle in it."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(Payload(path.parent / MARK)))
        file.writestr("archive/version", "3\n")


def _zip_that_climbs(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name in (f"../{MARK}", f"../../../../../../tmp/{MARK}", str(path.parent / MARK), "x_train.npy/../../y"):
            file.writestr(name, b"out")


def _zip_bomb(path: Path) -> None:
    path.write_bytes(_bomb())


@cache
def _bomb() -> bytes:
    """A hundred megabytes for each of some small entries."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy", "archive/data.pkl"):
            file.writestr(name, bytes(100 << 20))
    return content.getvalue()


def _zip_with_links(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        link = zipfile.ZipInfo("x_train.npy")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")


def _tar_that_climbs(path: Path) -> None:
    path.write_bytes(climbing_tar())


def climbing_tar() -> bytes:
    """Members with `..`, an absolute name, and one that goes through a link which an earlier one has made."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as file:
        for name in (f"../{MARK}", f"/tmp/{MARK}"):
            member = tarfile.TarInfo(name)
            member.size = 3
            file.addfile(member, io.BytesIO(b"out"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/tmp"
        file.addfile(link)
        through = tarfile.TarInfo(f"link/{MARK}")
        through.size = 3
        file.addfile(through, io.BytesIO(b"out"))
    return content.getvalue()


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(HUGE)


def _text(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(content) and None


def _bytes(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


def _link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _safetensors(header: dict[str, object]) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text


_MANY = {str(number): {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for number in range(30_000)}

ANYWHERE: dict[str, Callable[[Path], None]] = {
    "nothing": _bytes(b""),
    "zeros": _bytes(bytes(1 << 20)),
    "noise": _bytes(bytes(range(256)) * 4096),
    "pickle": _pickle,
    "torch file": _torch_file,
    "zip that climbs": _zip_that_climbs,
    "zip bomb": _zip_bomb,
    "zip with links": _zip_with_links,
    "tar that climbs": _tar_that_climbs,
    "gzip bomb": _bytes(gzip.compress(bytes(100 << 20))),
    "a terabyte of nothing": _sparse,
    "link to a device": _link_to("/dev/zero"),
    "link to a secret": _link_to("/etc/passwd"),
    "nested JSON": _text("[" * 200_000),
    "nested TOML": _text("a = " + "[" * 200_000),
    "long number": _text("9" * 100_000),
    "terminal": _text("\x1b]0;owned\x07\x1b[31m = 1\n" * 100),
    "shell": _text(f"#!/bin/sh\ntouch {MARK}\n"),
    "postscript": _text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(" + MARK + ") (w) file closefile\n"),
    "header of eight exabytes": _bytes(struct.pack("<Q", 1 << 62) + b"{}"),
    "huge tensor": _bytes(_safetensors({"a": {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, HUGE * 4]}})),
    "thirty thousand tensors": _bytes(_safetensors(_MANY)),
}  # fmt: skip
"""What is tried against every reader of a file."""
