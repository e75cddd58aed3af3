"""What is fuzzed: every reader, what it is given, and inputs to begin with."""

from __future__ import annotations

import io
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from onnx import helper
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torch import nn

import prunus
from channels.test_retracing import Branches
from prunus.channels.by_name import prune_channels
from prunus.errors import PrunusError
from prunus.export import read_network
from prunus.sparse.packing import write_packed
from prunus.sparse.packing.writing import START
from prunus.spec import load_study
from prunus.store import EpochRow, Store, read_result, read_study, write_result
from prunus.store.journal import MAGIC
from prunus.store.write_ahead_log import has_log
from prunus.sweep.leases import LeaseExpiredError
from prunus.train import save_checkpoint
from security.test_files import READERS, network
from security.test_mutations import begin, read_checkpoint
from sparse.onnx_models import model as onnx_model
from sparse.packed import small_plan
from tiny_files import write_cifar10, write_mnist, write_npz, write_svhn

CORPUS = Path(__file__).parent / "corpus"
"""Inputs that are kept: what was found, one folder per target."""

MOST_BYTES = 1 << 16
ROOM_BYTES = 96 << 20
"""What reading one input may take of memory, many times what any of them holds."""


@dataclass(frozen=True)
class Target:
    """A reader. read: does with a content, in a folder that is its own, what a user would do with such a file.

    seeds: contents that are whole. refit: mends checksums, so that what lies behind them is reached.
    """

    read: Callable[[bytes, Path], object]
    seeds: Callable[[], Iterable[bytes]]
    refit: Callable[[bytes], bytes] = bytes

    def inputs(self, name: str) -> list[bytes]:
        """Whole contents, and what is kept in the corpus."""
        kept = sorted((CORPUS / name).glob("*")) if (CORPUS / name).is_dir() else []
        return [*self.seeds(), *(path.read_bytes() for path in kept)]

    def try_one(self, content: bytes, folder: Path) -> None:
        """Read it. Anything but an error of our own is raised."""
        with suppress(PrunusError, LeaseExpiredError):
            self.read(content, folder)


def _file(reader: str, seeds: Callable[[Path], Iterable[Path]]) -> Target:
    """A reader of the tests of hostile files, on a file that lies among others which are whole."""
    one = READERS[reader]

    def read(content: bytes, folder: Path) -> None:
        path = folder / "study" / one.file
        if not path.parent.exists():
            one.around(folder / "study")
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        one.read(path)

    def contents() -> list[bytes]:
        with TemporaryDirectory() as folder:
            return [path.read_bytes() for path in seeds(Path(folder))]

    return Target(read, contents)


def _saved(folder: Path, save: Callable[[Path], object], *names: str) -> list[Path]:
    save(folder)
    return [folder / name for name in names]


def _images(folder: Path) -> list[Path]:
    """One picture in each format."""
    picture = Image.fromarray(np.arange(72, dtype=np.uint8).reshape(4, 6, 3))
    paths = [folder / f"picture.{ending}" for ending in ("png", "jpg", "bmp", "webp", "ppm")]
    for path in paths:
        picture.save(path)
    return paths


def _read_store(content: bytes, folder: Path) -> None:
    """The first four bytes say how long the database is; its journal follows, or its write-ahead log."""
    size = int.from_bytes(content[:4], "little")
    database, beside = content[4 : 4 + size], content[4 + size :]
    (folder / "study.sqlite").write_bytes(database)
    (folder / "study.sqlite-journal").write_bytes(b"" if has_log(database) else beside)
    (folder / "study.sqlite-wal").write_bytes(beside if has_log(database) else b"")
    with suppress(PrunusError):
        read_study(folder)
    for name in ("study.sqlite-wal", "study.sqlite-shm"):
        (folder / name).unlink(missing_ok=True)
    Store(folder).close()


@cache
def _stores() -> tuple[bytes, ...]:
    with TemporaryDirectory() as place:
        folder = Path(place)
        with Store(folder, create=True) as store:
            before = store.path.read_bytes()
        logged = _with_log(store.path)
    header = MAGIC + struct.pack(">IIIII", 1, 7, len(before) // 4096, 512, 4096)
    page = before[:4096]
    record = struct.pack(">I", 1) + page + struct.pack(">I", 7 + sum(page[3896:0:-200]))
    stores = ((before, b""), (before, header.ljust(512, b"\0") + record), logged)
    return tuple(len(database).to_bytes(4, "little") + database + beside for database, beside in stores)


def _with_log(path: Path) -> tuple[bytes, bytes]:
    """The store while a program has set it to a write-ahead log, and that log."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE one_more (a)")
    connection.commit()
    content = path.read_bytes(), path.with_name(f"{path.name}-wal").read_bytes()
    connection.close()
    return content


def _results() -> list[bytes]:
    with TemporaryDirectory() as folder:
        write_result(Path(folder) / "r", [EpochRow("t", 1, 0.5, 0.25, 3, 4, 0.0, 1e-3, 0.1)], "token")
        return [(Path(folder) / "r").read_bytes()]


def _checkpoints() -> list[bytes]:
    with TemporaryDirectory() as folder:
        save_checkpoint(Path(folder) / "c", begin(), "t")
        return [(Path(folder) / "c").read_bytes()]


class Small(nn.Module):
    """A network whose cut is a rewritten graph."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 8), nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Two things side by side, so that channels are told by their places."""
        y = self.first(x)
        return self.last(torch.cat([y, torch.relu(y)], 1))


@cache
def _network() -> tuple[bytes, ...]:
    with TemporaryDirectory() as folder:
        prunus.save(prune_channels(Small(), torch.zeros(2, 8), 0.5).model, Path(folder) / "m")
        return ((Path(folder) / "m").read_bytes(),)


def _read_network(content: bytes, folder: Path) -> None:
    (folder / "m.safetensors").write_bytes(content)
    for build in (None, Small):
        with suppress(PrunusError):
            prunus.load(folder / "m.safetensors", build)
    read_network(folder / "m.safetensors", network)


@cache
def _graph() -> tuple[bytes, dict[str, torch.Tensor]]:
    """The header of a rewritten graph, and its tensors."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m"
        prunus.save(prune_channels(Branches(), torch.randn(2, 5, 16), 0.5).model, path)
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return file.metadata()["prunus"].encode(), tensors


def _read_graph(content: bytes, folder: Path) -> None:
    """The content is the header."""
    path = _written(folder / "m.safetensors", to_bytes(_graph()[1], {"prunus": content.decode(errors="replace")}))
    prunus.load(path)


def _onnx() -> list[bytes]:
    weights = {"w": np.ones((2, 3), np.float32), "shape": np.array([3, 2])}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("Relu", ["y"], ["z"]),
        helper.make_node("Reshape", ["z", "shape"], ["out"]),
    ]
    proto = onnx_model(nodes, {"x": [2, 2]}, ["out"], weights)
    return [proto.SerializeToString()]


def _packed() -> list[bytes]:
    with TemporaryDirectory() as folder:
        write_packed(Path(folder) / "a.prunus", [small_plan()])
        return [(Path(folder) / "a.prunus").read_bytes()]


def _with_checksum(content: bytes) -> bytes:
    """A packed file whose checksum fits."""
    if len(content) < START.size:
        return content
    magic, version, _, stored, full = START.unpack_from(content)
    rest = content[START.size :]
    return START.pack(magic, version, zlib.crc32(rest), stored, full) + rest


def _read_archive(content: bytes, folder: Path) -> None:
    """The content is an array of an archive whose other arrays are whole."""
    with zipfile.ZipFile(write_npz(folder / "whole.npz")) as whole:
        others = {name: whole.read(name) for name in whole.namelist() if name != "x_train.npy"}
    with zipfile.ZipFile(folder / "mine.npz", "w") as file:
        for name, one in {**others, "x_train.npy": content}.items():
            file.writestr(name, one)
    READERS["npz"].read(folder / "mine.npz")


def _arrays() -> list[bytes]:
    contents = []
    for array in (np.zeros((6, 1, 4, 4), np.uint8), np.zeros((6, 3), ">f8"), np.asfortranarray(np.ones((6, 2)))):
        np.lib.format.write_array(file := io.BytesIO(), array)
        contents.append(file.getvalue())
    return contents


STUDY = (
    'name = "s"\ndata = { name = "npz", file = "x.npz" }\nmodel = { name = "mlp", hidden = [4] }\nrates = [0.5, 0.9]\n'
    'recipes = ["mine", "unstructured"]\n[training]\nepochs = 1\n[recipe.mine]\nlike = "structured"\n'
    'criterion = { name = "magnitude", norm = 2 }\n[measurement]\nselect = "none"\n'
)


def _read_study(content: bytes, folder: Path) -> None:
    (folder / "study.toml").write_bytes(content)
    load_study(folder / "study.toml").trials()


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _read_result(content: bytes, folder: Path) -> None:
    read_result(_written(folder / "result.json", content), "token")


def _read_checkpoint(content: bytes, folder: Path) -> None:
    read_checkpoint(_written(folder / "c", content))


def _read_packed(content: bytes, folder: Path) -> None:
    READERS["packed"].read(_written(folder / "a.prunus", content))


TARGETS: dict[str, Target] = {
    "npz": _file("npz", lambda folder: [write_npz(folder / "a.npz")]),
    "npz-array": Target(_read_archive, _arrays),
    "idx": _file("mnist", lambda folder: _saved(folder, write_mnist, "train-images-idx3-ubyte")),
    "idx-gz": _file("gzipped mnist", lambda f: _saved(f, lambda p: write_mnist(p, True), "train-images-idx3-ubyte.gz")),
    "cifar": _file("cifar10", lambda folder: _saved(folder, write_cifar10, "data_batch_1.bin")),
    "svhn": _file("svhn", lambda folder: _saved(folder, write_svhn, "train_32x32.mat")),
    "images": _file("image-folder", _images),
    "study": Target(_read_study, lambda: [STUDY.encode()]),
    "store": Target(_read_store, _stores),
    "result": Target(_read_result, _results),
    "checkpoint": Target(_read_checkpoint, _checkpoints),
    "network": Target(_read_network, _network),
    "graph": Target(_read_graph, lambda: [_graph()[0]]),
    "packed": Target(_read_packed, _packed, _with_checksum),
    "onnx": _file("ONNX", lambda folder: [_written(folder / "a.onnx", content) for content in _onnx()]),
}
