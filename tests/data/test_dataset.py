from __future__ import annotations

import hashlib
import json

import numpy
import pytest
import torch

from prunus.data import Dataset, Split
from prunus.data.dataset import CHUNK


def tiny(inputs: torch.Tensor | None = None, classes: tuple[str, ...] = ("a", "b"), **scale: object) -> Dataset:
    inputs = torch.tensor([[[0, 255]], [[51, 102]]], dtype=torch.uint8) if inputs is None else inputs
    split = Split(inputs, torch.tensor([0, 1]))
    return Dataset("tiny", split, split, classes, **scale)  # type: ignore[arg-type]


def test_pixels_are_scaled_to_one() -> None:
    data = tiny()
    prepared = data.prepare(data.train.inputs)
    assert prepared.dtype == torch.float32
    assert torch.allclose(prepared, torch.tensor([[[0.0, 1.0]], [[0.2, 0.4]]]))
    assert data.train.inputs.dtype == torch.uint8


def test_mean_and_std_are_of_the_scaled_inputs_and_per_channel() -> None:
    inputs = torch.tensor([[[255, 0], [255, 0]], [[51, 51], [51, 51]]], dtype=torch.uint8)  # 2 samples of 2x2x1
    data = tiny(inputs.unsqueeze(-1), mean=(0.5, 1.0), std=(0.5, 2.0))
    prepared = data.prepare(data.train.inputs)
    assert torch.allclose(prepared[0, 0].flatten(), torch.tensor([1.0, -1.0]))
    assert torch.allclose(prepared[0, 1].flatten(), torch.tensor([0.0, -0.5]))
    assert torch.allclose(prepared[1, 0].flatten(), torch.tensor([-0.6, -0.6]))


def test_floats_without_mean_are_given_as_they_are() -> None:
    data = tiny(torch.tensor([[2.0], [3.0]]))
    assert data.prepare(data.train.inputs).data_ptr() == data.train.inputs.data_ptr()


def test_the_fingerprint_is_the_digest_of_everything_written_out() -> None:
    data = tiny()
    arrays = ["torch.uint8 (2, 1, 2)", b"\0\xff\x33\x66", "torch.int64 (2,)", numpy.array([0, 1]).tobytes()] * 2
    content = json.dumps([["a", "b"], None, None], separators=(",", ":")).encode()
    content += b"".join(each.encode() if isinstance(each, str) else each for each in arrays)
    assert data.fingerprint() == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        tiny(classes=("a", "c")),
        tiny(mean=(0.5,), std=(1.0,)),
        tiny(torch.tensor([[[0, 255]], [[51, 103]]], dtype=torch.uint8)),
        tiny(torch.tensor([[0, 255], [51, 102]], dtype=torch.uint8)),
    ],
)
def test_the_fingerprint_sees_every_change(other: Dataset) -> None:
    assert other.fingerprint() != tiny().fingerprint()


def test_the_fingerprint_does_not_depend_on_chunks_or_memory_order() -> None:
    big = torch.arange(2 * (CHUNK + 3), dtype=torch.float32).view(2, -1)
    columns = big.t().contiguous().t()
    assert not columns.is_contiguous()
    assert tiny(columns).fingerprint() == tiny(big).fingerprint()


def test_samples_are_taken_in_order() -> None:
    split = Split(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([1, 0, 1]))
    taken = split.take(torch.tensor([2, 0]))
    assert taken.inputs.flatten().tolist() == [3.0, 1.0]
    assert taken.targets.tolist() == [1, 1]
    assert len(taken) == 2
