from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from prunus.data import data_source, load_data
from prunus.errors import InputError, MissingError
from prunus.spec import Part
from tiny_files import write_images


def part(folder: Path, **settings: Any) -> Part:
    return Part(name="image-folder", settings={"folder": str(folder), **settings})


def test_folders_are_classes_in_alphabetical_order(tmp_path: Path) -> None:
    data = load_data(part(write_images(tmp_path / "colours")))
    assert data.name == "colours"
    assert data.classes == ("blue", "red")
    assert data.train.inputs.dtype == torch.uint8
    assert data.train.inputs.shape == (4, 3, 4, 6)
    assert data.train.targets.tolist() == [0, 0, 1, 1]
    assert data.train.inputs[:, :, 0, 0].tolist() == [[0, 0, 255]] * 2 + [[255, 0, 0]] * 2


def test_size_is_height_and_width(tmp_path: Path) -> None:
    data = load_data(part(write_images(tmp_path), size=[8, 5]))
    assert data.input_shape == (3, 8, 5)
    assert data.train.inputs[3, :, 7, 4].tolist() == [255, 0, 0]


def test_grey_has_one_channel(tmp_path: Path) -> None:
    data = load_data(part(write_images(tmp_path), grey=True))
    assert data.input_shape == (1, 4, 6)
    assert data.train.inputs[:, 0, 0, 0].tolist() == [29, 29, 76, 76]  # 0.114 and 0.299 of 255 (ITU-R 601-2)


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    write_images(tmp_path)
    (tmp_path / "train" / "red" / "notes.txt").write_text("no image")
    (tmp_path / "train" / ".hidden").mkdir()
    assert len(load_data(part(tmp_path)).train) == 4


def add_odd_size(folder: Path) -> None:
    Image.new("RGB", (7, 4)).save(folder / "train" / "red" / "wide.png")


def truncate(folder: Path) -> None:
    path = folder / "test" / "blue" / "1.png"
    path.write_bytes(path.read_bytes()[:40])


def write_text(folder: Path) -> None:
    (folder / "test" / "blue" / "1.png").write_text("no image")


def empty_class(folder: Path) -> None:
    for file in (folder / "train" / "red").iterdir():
        file.unlink()


def no_classes(folder: Path) -> None:
    for name in ("train", "test"):
        shutil.rmtree(folder / name)
        (folder / name).mkdir()


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (add_odd_size, r"wide\.png has another size\. It has \(4, 7\), others \(4, 6\)\. Give the setting 'size'"),
        (truncate, r"test/blue/1\.png cannot be read"),
        (write_text, r"test/blue/1\.png cannot be read"),
        (empty_class, r"train/red has no image in it"),
        (no_classes, r"train has no folder in it"),
        (lambda folder: (folder / "train" / "green").mkdir(), r"differ in their classes\. Only one of them has green"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, damage: Any, expected: str) -> None:
    damage(write_images(tmp_path))
    with pytest.raises(InputError, match=expected):
        load_data(part(tmp_path))


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    write_images(tmp_path)
    shutil.rmtree(tmp_path / "test")
    with pytest.raises(MissingError, match=r"/test does not exist\. Put images into train/CLASS and test/CLASS"):
        load_data(part(tmp_path))


def test_a_size_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'image-folder' cannot be used with size\.1 = 0"):
        load_data(part(write_images(tmp_path), size=[4, 0]))


def test_images_are_read_while_training_where_that_is_asked_for(tmp_path):
    settings = {"folder": str(write_images(tmp_path)), "size": [8, 8]}
    held = load_data(Part(name="image-folder", settings=settings))
    read = load_data(Part(name="image-folder", settings={**settings, "stream": True, "workers": 1}))
    assert (read.classes, len(read.train), len(read.test)) == (held.classes, 4, 4)
    inputs, targets = next(read.train.in_order(4))
    assert torch.equal(inputs, held.prepare(held.train.inputs))
    assert torch.equal(targets, held.train.targets)
    assert "stream" not in data_source(Part(name="image-folder", settings=settings)).model_dump()
