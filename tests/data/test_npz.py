from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from prunus.data import load_data
from prunus.errors import InputError, MissingError
from prunus.spec import Part

ARRAYS: dict[str, Any] = {
    "x_train": numpy.arange(24, dtype=numpy.float64).reshape(3, 2, 4),
    "y_train": numpy.array([[0], [2], [1]], dtype=numpy.uint8),
    "x_test": numpy.zeros((2, 2, 4), dtype=">f4"),
    "y_test": numpy.array([1, 0], dtype=">i2"),
}


def part(folder: Path, settings: dict[str, Any] | None = None, **changes: Any) -> Part:
    arrays = {name: array for name, array in (ARRAYS | changes).items() if array is not None}
    numpy.savez(folder / "mine.npz", **arrays)
    return Part(name="npz", settings={"file": str(folder / "mine.npz"), **(settings or {})})


def test_arrays_become_float32_and_int64(tmp_path: Path) -> None:
    data = load_data(part(tmp_path))
    assert data.train.inputs.dtype == data.test.inputs.dtype == torch.float32
    assert data.train.inputs[2, 1].tolist() == [20, 21, 22, 23]
    assert data.train.targets.tolist() == [0, 2, 1]
    assert data.test.targets.tolist() == [1, 0]
    assert data.classes == ("0", "1", "2")


def test_bytes_stay_bytes(tmp_path: Path) -> None:
    data = load_data(part(tmp_path, x_train=numpy.full((3, 1), 255, "u1"), x_test=numpy.zeros((2, 1), "u1")))
    assert data.train.inputs.dtype == torch.uint8
    assert data.prepare(data.train.inputs).tolist() == [[1.0]] * 3


def test_classes_are_named_by_the_setting_or_by_the_file(tmp_path: Path) -> None:
    names = numpy.array(["cat", "dog", "eel"])
    assert load_data(part(tmp_path, classes=names)).classes == ("cat", "dog", "eel")
    assert load_data(part(tmp_path, classes=names.astype(bytes))).classes == ("cat", "dog", "eel")
    assert load_data(part(tmp_path, {"classes": ["x", "y", "z"]}, classes=names)).classes == ("x", "y", "z")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"x_test": None}, "has no array 'x_test'. It holds x_train, y_train, y_test"),
        ({"y_train": numpy.array([0.0, 1.0, 2.0])}, "float64. Targets are whole numbers"),
        ({"x_train": numpy.zeros((3, 2, 4), numpy.int64)}, "has the type int64. Make it float32"),
        ({"x_train": numpy.array(["a", "b", "c"])}, "has the type <U1. It does not hold numbers"),
        ({"x_train": numpy.array([{}, {}, {}])}, "Python objects, which are pickles"),
        ({"y_train": numpy.array([0, 1])}, "he training targets have the shape 2 for 3 samples"),
        ({"classes": numpy.array(["cat", "dog"])}, "Training target 2 (sample 1) is none of its 2 classes"),
        ({"x_test": numpy.zeros((2, 2, 5))}, "test samples 2x5"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError) as caught:
        load_data(part(tmp_path, **changes))
    assert expected in str(caught.value)
    assert "mine.npz" in str(caught.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"absent\.npz does not exist"):
        load_data(Part(name="npz", settings={"file": str(tmp_path / "absent.npz")}))


def test_a_truncated_file_is_named_wherever_it_ends(tmp_path: Path) -> None:
    wanted = part(tmp_path)
    path = tmp_path / "mine.npz"
    whole = path.read_bytes()
    for size in range(0, len(whole), 37):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"mine\.npz cannot be read"):
            load_data(wanted)


def test_a_single_array_is_no_archive(tmp_path: Path) -> None:
    numpy.save(tmp_path / "mine.npy", numpy.zeros(3))
    with pytest.raises(InputError, match=r"mine\.npy is no \.npz archive"):
        load_data(Part(name="npz", settings={"file": str(tmp_path / "mine.npy")}))
