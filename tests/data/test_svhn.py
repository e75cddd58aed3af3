from __future__ import annotations

from pathlib import Path

import pytest
import torch
from scipy.io import savemat

from prunus.data import load_data
from prunus.errors import InputError, MissingError
from prunus.spec import Part
from tiny_files import pixels, write_svhn


def part(folder: Path) -> Part:
    return Part(name="svhn", settings={"folder": str(folder)})


def test_images_and_digits_are_put_in_order(tmp_path: Path) -> None:
    data = load_data(part(write_svhn(tmp_path)))
    assert data.train.inputs.shape == (12, 3, 32, 32)
    original = pixels(0, 32, 32, 3, 12)  # height, width, channels, samples
    assert data.train.inputs[7, 2, 5, 9] == original[5, 9, 2, 7]
    assert data.train.targets.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]
    assert data.train.inputs.is_contiguous()


def test_pixels_are_scaled_to_one_and_nothing_else(tmp_path: Path) -> None:
    data = load_data(part(write_svhn(tmp_path)))
    assert torch.allclose(data.prepare(data.train.inputs), data.train.inputs / 255)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    write_svhn(tmp_path)
    (tmp_path / "test_32x32.mat").unlink()
    with pytest.raises(MissingError, match=r"no test_32x32\.mat in .*download = true"):
        load_data(part(tmp_path))


def test_a_truncated_file_is_named_wherever_it_ends(tmp_path: Path) -> None:
    path = write_svhn(tmp_path, samples=1) / "train_32x32.mat"
    whole = path.read_bytes()
    for size in [*range(0, 300, 7), len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=rf"train_32x32\.mat \({size} bytes\) is damaged"):
            load_data(part(tmp_path))


def test_arrays_of_other_shapes_are_refused(tmp_path: Path) -> None:
    write_svhn(tmp_path)
    savemat(tmp_path / "train_32x32.mat", {"X": pixels(0, 32, 32, 3, 4), "y": [[1], [2]]})
    with pytest.raises(InputError, match=r"X is uint8 \(32, 32, 3, 4\) and y has 2 labels"):
        load_data(part(tmp_path))
    savemat(tmp_path / "train_32x32.mat", {"Z": [1]})
    with pytest.raises(InputError, match="KeyError: 'X'"):
        load_data(part(tmp_path))
