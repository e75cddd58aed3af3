from __future__ import annotations

from pathlib import Path

import pytest
import torch

from prunus.data import load_data
from prunus.errors import InputError, MissingError
from prunus.spec import Part
from tiny_files import pixels, write_cifar10, write_cifar100


def part(name: str, folder: Path) -> Part:
    return Part(name=name, settings={"folder": str(folder)})


@pytest.mark.parametrize("layout", ["", "cifar-10-batches-bin"])
def test_cifar10_joins_its_five_training_files(tmp_path: Path, layout: str) -> None:
    write_cifar10(tmp_path / layout)
    data = load_data(part("cifar10", tmp_path))
    assert data.train.inputs.shape == (20, 3, 32, 32)
    assert data.train.targets.tolist() == [0, 1, 2, 3] * 5
    assert torch.equal(data.train.inputs[4:8], torch.from_numpy(pixels(1, 4, 3072)).view(4, 3, 32, 32))
    assert torch.equal(data.test.inputs, torch.from_numpy(pixels(5, 4, 3072)).view(4, 3, 32, 32))
    assert data.classes == tuple(f"thing{i}" for i in range(10))


def test_cifar100_takes_the_fine_label(tmp_path: Path) -> None:
    write_cifar100(tmp_path / "cifar-100-binary")
    data = load_data(part("cifar100", tmp_path))
    assert data.train.targets.tolist() == [99, 98, 97, 96]
    assert torch.equal(data.test.inputs, torch.from_numpy(pixels(1, 4, 3072)).view(4, 3, 32, 32))
    assert len(data.classes) == 100


def test_channels_are_normalised_one_by_one(tmp_path: Path) -> None:
    data = load_data(part("cifar10", write_cifar10(tmp_path)))
    grey = torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)
    expected = [(1 - 0.4914) / 0.2470, (1 - 0.4822) / 0.2435, (1 - 0.4465) / 0.2616]
    assert data.prepare(grey).flatten().tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("name", "pickles"), [("cifar10", "cifar-10-batches-py"), ("cifar100", "cifar-100-python")])
def test_pickles_are_left_alone_and_the_way_out_is_said(tmp_path: Path, name: str, pickles: str) -> None:
    (tmp_path / pickles).mkdir()
    with pytest.raises(MissingError) as caught:
        load_data(part(name, tmp_path))
    for expected in (f"{pickles} holds pickles, which can run code", "-binary.tar.gz", "download = true"):
        assert expected in str(caught.value)


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    path = tmp_path / "data_batch_3.bin"
    for content in (b"", path.read_bytes()[:-1], path.read_bytes() + b"xy"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"data_batch_3\.bin is damaged. Its {len(content)} bytes .* of 3073"):
            load_data(part("cifar10", tmp_path))


def test_a_label_that_is_no_class_is_named(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    path = tmp_path / "test_batch.bin"
    path.write_bytes(b"\x0a" + path.read_bytes()[1:])
    with pytest.raises(InputError, match=r"Test target 10 \(sample 0\) is none of its 10 classes"):
        load_data(part("cifar10", tmp_path))


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that cannot be read")
def test_a_file_that_the_disk_does_not_give_is_one_sentence(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    (tmp_path / "batches.meta.txt").unlink()
    (tmp_path / "batches.meta.txt").symlink_to("/proc/self/mem")
    with pytest.raises(InputError, match=r"'cifar10' cannot be read.*error"):
        load_data(part("cifar10", tmp_path))
