from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prunus.data import load_data
from prunus.data.idx import read_idx
from prunus.data.mnist import FashionMnist, Mnist
from prunus.errors import InputError, MissingError
from prunus.spec import Part
from prunus.system.reading import cache_folder
from tiny_files import idx, labels, pixels, write_mnist

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture
def no_usual_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache folder of the test's own, and an empty folder where Debian puts its files."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(FashionMnist, "FILES", replace(FashionMnist.FILES, usual=(str(tmp_path / "usr"),)))
    return tmp_path


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("layout", ["", "FashionMNIST/raw"])
def test_files_are_read_plain_or_gzipped_in_either_layout(tmp_path: Path, compressed: bool, layout: str) -> None:
    write_mnist(tmp_path / layout, compressed)
    data = load_data(Part(name="fashion-mnist", settings={"folder": str(tmp_path)}))
    assert data.train.inputs.shape == (20, 1, 28, 28)
    assert torch.equal(data.train.inputs[:, 0], torch.from_numpy(pixels(1, 20, 28, 28)))
    assert torch.equal(data.test.inputs[:, 0], torch.from_numpy(pixels(2, 10, 28, 28)))
    assert data.test.targets.tolist() == list(range(10))
    assert data.classes[9] == "Ankle boot"


def test_mnist_has_the_same_format(tmp_path: Path) -> None:
    write_mnist(tmp_path / "MNIST" / "raw")
    data = load_data(Part(name="mnist", settings={"folder": str(tmp_path), "train_limit": 10, "test_limit": 5}))
    assert data.classes == tuple("0123456789")
    assert torch.bincount(data.train.targets).tolist() == [1] * 10
    assert len(data.test) == 5


def test_without_a_folder_the_usual_places_are_looked_in(no_usual_place: Path) -> None:
    write_mnist(cache_folder("fashion-mnist"), train=20)
    assert len(FashionMnist().load().train) == 20
    write_mnist(no_usual_place / "usr", train=10)
    assert len(FashionMnist().load().train) == 10


def test_absent_files_are_named_with_every_way_to_get_them(no_usual_place: Path) -> None:
    with pytest.raises(MissingError) as caught:
        FashionMnist().load()
    for expected in (
        "train-images-idx3-ubyte",
        "/usr",
        "/cache",
        "'folder'",
        "download = true",
        "apt install dataset-",
    ):
        assert expected in str(caught.value)


def test_a_named_folder_is_the_only_place(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(MissingError, match="There is no t10k-labels-idx1-ubyte in") as caught:
        FashionMnist(folder=str(tmp_path)).load()
    assert "/usr/share" not in str(caught.value)


def test_a_limit_above_what_there_is_is_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    with pytest.raises(InputError, match=r"training data of 'mnist' cannot give 21 samples\. It has 20"):
        Mnist(folder=str(tmp_path), train_limit=21).load()


@pytest.mark.parametrize("compressed", [False, True])
def test_a_truncated_file_is_named_wherever_it_ends(tmp_path: Path, compressed: bool) -> None:
    write_mnist(tmp_path, compressed, train=2, test=2)
    path = tmp_path / ("train-images-idx3-ubyte" + (".gz" if compressed else ""))
    whole = path.read_bytes()
    for size in range(0, len(whole), 53):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"train-images-idx3-ubyte.* is damaged or no IDX file"):
            Mnist(folder=str(tmp_path)).load()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\0\0\x08\x03\0\0", "ends after 6 bytes, within its header of 16"),
        (idx(pixels(0, 2, 2, 2))[:-1], "for 2 x 2 x 2 values it must have 24 bytes, and it has 23"),
        (idx(pixels(0, 2, 2, 2)) + b"x", "must have 24 bytes, and it has more than 24"),
        (idx(labels(20)), "begins with 00 00 08 01 where 00 00 08 03 is expected"),
        (b"\x89PNG" + bytes(20), "begins with 89 50 4e 47"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "4294967295 x 4294967295"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_idx(tmp_path / "file", 3)
    assert expected.lower() in str(caught.value).lower()


def test_a_file_that_only_claims_to_be_gzipped_is_named(tmp_path: Path) -> None:
    (tmp_path / "file.gz").write_bytes(idx(labels(20)))
    with pytest.raises(InputError, match=r"file\.gz is damaged .*28 bytes on disk"):
        read_idx(tmp_path / "file.gz", 1)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_the_real_files_are_read() -> None:
    data = load_data(Part(name="fashion-mnist", settings={"train_limit": 6000}))
    assert data.train.inputs.shape == (6000, 1, 28, 28)
    assert data.test.inputs.shape == (10000, 1, 28, 28)
    assert torch.bincount(data.train.targets).tolist() == [600] * 10
    whole = FashionMnist().load()
    prepared = whole.prepare(whole.train.inputs)
    assert abs(prepared.mean()) < 1e-3
    assert abs(prepared.std() - 1) < 1e-3
