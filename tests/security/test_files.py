"""Hostile files against every reader: nothing runs, nothing is written, memory stays bounded, one clear error each."""

import sqlite3
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from prunus.channels import load as load_model
from prunus.data import image_folder, load_data, npz, svhn
from prunus.errors import DamagedStoreError, InputError, MissingError, PrunusError, StoreError
from prunus.export import read_network
from prunus.sparse.compiling import plan_of
from prunus.sparse.packing import read_packed
from prunus.spec import Part, Training, load_study
from prunus.store import Store, read_result, read_study
from prunus.sweep.event_log import EventReader
from prunus.sweep.latency_targets import LatencyTargets
from prunus.sweep.leases import Lease, LeaseExpiredError
from prunus.system import reading
from prunus.train import Pruner, load_checkpoint, start
from security.confined import confined
from security.corpus import ANYWHERE, MARK
from tiny_files import write_cifar10, write_images, write_mnist, write_svhn

MOST_BYTES = 64 << 20
"""What a reader may take where half of the memory is so much less. The bombs of the corpus hold a hundred megabytes."""

HALF_OF_MEMORY = 32 << 20


def network():
    return nn.Sequential(nn.Linear(4, 2))


def checkpoint(path):
    model = network()
    pruner = Pruner(model, None, torch.zeros(2, 4), rate=0.0, epochs=1, steps_per_epoch=None, seed=0)
    load_checkpoint(path, start(model, pruner, Training(epochs=1)), "trial")


def data(name, **settings):
    load_data(Part(name=name, settings=settings))


def nowhere(_folder):
    pass


def store_without_sessions(folder):
    """Of which a report takes the study from the file beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    with Store(folder, create=True) as store:
        path = store.path
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE sessions")
    connection.close()


@dataclass(frozen=True)
class Reader:
    """file: where the hostile one lies. read: is given that. around: writes what else must be there.

    harmless: what it answers to some of them without an error.
    """

    file: str
    read: Callable[[Path], object]
    errors: tuple[type[Exception], ...] = (InputError,)
    around: Callable[[Path], object] = nowhere
    harmless: frozenset[str] = field(default=frozenset())


READERS = {
    "checkpoint": Reader("checkpoint.safetensors", checkpoint, (StoreError,)),
    "weights": Reader("weights.safetensors", lambda path: read_network(path, network)),
    "trained weights": Reader("weights.pt", lambda path: read_network(path, network)),
    "saved model": Reader("model.safetensors", lambda path: load_model(path, network)),
    "packed": Reader("model.prunus", read_packed),
    "ONNX": Reader("model.onnx", lambda path: plan_of(path, batch=1)),
    "study": Reader("study.toml", load_study),
    "store": Reader("study.sqlite", lambda path: read_study(path.parent), (StoreError,)),
    "study beside a damaged store": Reader(
        "study.json", lambda path: read_study(path.parent), (DamagedStoreError,), around=store_without_sessions
    ),
    "result": Reader("result.json", read_result, (StoreError,)),
    "lease": Reader("lease", lambda path: Lease("t", "token", path).check(), (LeaseExpiredError,)),
    "words": Reader("words.jsonl", lambda path: EventReader(path).hear(), harmless=frozenset(ANYWHERE)),
    "latency targets": Reader("latency_targets.json", LatencyTargets, (StoreError,)),
    "npz": Reader("mine.npz", lambda path: data("npz", file=str(path))),
    "svhn": Reader(
        "train_32x32.mat",
        lambda path: data("svhn", folder=str(path.parent)),
        (InputError, MissingError),
        around=write_svhn,
    ),
    "cifar10": Reader(
        "data_batch_1.bin",
        lambda path: data("cifar10", folder=str(path.parent)),
        (InputError, MissingError),
        around=write_cifar10,
    ),
    "names of classes": Reader(
        "batches.meta.txt",
        lambda path: data("cifar10", folder=str(path.parent)),
        (InputError, MissingError),
        around=write_cifar10,
    ),
    "mnist": Reader(
        "train-images-idx3-ubyte",
        lambda path: data("mnist", folder=str(path.parent)),
        (InputError, MissingError),
        around=write_mnist,
    ),
    "gzipped mnist": Reader(
        "train-images-idx3-ubyte.gz",
        lambda path: data("mnist", folder=str(path.parent)),
        (InputError, MissingError),
        around=lambda folder: write_mnist(folder, compressed=True),
    ),
    "image-folder": Reader(
        "train/red/0.png", lambda path: data("image-folder", folder=str(path.parents[2])), around=write_images
    ),
}


def prepared(one, folder, hostile):
    """The path of a hostile file, with all around it."""
    path = folder / one.file
    one.around(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    ANYWHERE[hostile](path)
    return path


@pytest.fixture(scope="module", autouse=True)
def everything_imported(tmp_path_factory):
    """So that no fork of this process imports, which writes and takes memory and time."""
    for one in READERS.values():
        with suppress(PrunusError, LeaseExpiredError):
            one.read(prepared(one, tmp_path_factory.mktemp("first") / "study", "noise"))


@pytest.fixture(autouse=True)
def little_memory(monkeypatch):
    for module in (reading, npz, svhn, image_folder):
        monkeypatch.setattr(module, "half_of_memory", lambda: HALF_OF_MEMORY)


@pytest.mark.parametrize("hostile", ANYWHERE)
@pytest.mark.parametrize("reader", READERS)
def test_no_reader_does_what_a_file_wants(reader, hostile, tmp_path):
    one = READERS[reader]
    path = prepared(one, tmp_path / "study", hostile)
    verdict = confined(lambda: one.read(path), tmp_path)
    assert verdict.forbidden == []
    assert not list(tmp_path.rglob(MARK))
    assert not Path("/tmp", MARK).exists()
    assert verdict.peak_bytes < MOST_BYTES, verdict
    if hostile in one.harmless:
        assert verdict.kind == ""
        return
    assert verdict.kind in {error.__name__ for error in one.errors}, verdict
    if verdict.kind != LeaseExpiredError.__name__:
        assert issubclass(one.errors[0], PrunusError)
        assert verdict.message.count(". ") >= 1, verdict  # what, and why or what to do
        assert path.name in verdict.message or path.parent.name in verdict.message, verdict
        assert len(verdict.message) < 2000


@pytest.mark.parametrize("side", [5_000, 9_900, 40_000, 2**31 - 1])
def test_an_image_of_a_few_bytes_that_declares_any_number_of_pixels(side, tmp_path):
    write_images(tmp_path / "study")
    path = tmp_path / "study" / "train" / "red" / "0.png"
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    pixels = b"IDAT" + zlib.compress(bytes(1000))
    chunks = [struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in (header, pixels)]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    verdict = confined(lambda: data("image-folder", folder=str(tmp_path / "study")), tmp_path)
    assert (verdict.kind, verdict.forbidden) == ("InputError", [])
    assert "0.png cannot be read" in verdict.message
    assert verdict.peak_bytes < MOST_BYTES


def test_many_images_that_are_each_small_enough(tmp_path):
    write_images(tmp_path / "study")
    for number in range(20):
        path = tmp_path / "study" / "train" / "blue" / f"{number:02}.png"
        Image.new("1", (1000, 1000)).save(path)  # 200 bytes that become three megabytes
    verdict = confined(lambda: data("image-folder", folder=str(tmp_path / "study"), size=[1000, 1000]), tmp_path)
    assert verdict.kind == "InputError"
    assert "the images take over half of the memory" in verdict.message
    assert verdict.peak_bytes < MOST_BYTES
