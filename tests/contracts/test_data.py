"""What every source of data promises, checked on every one that is registered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch

import tiny_files
from prunus.data import DATA, Split, data_source, load_data
from prunus.data.check import check
from prunus.data.cut import cut
from prunus.data.stream import Stream
from prunus.spec import Part

# What a source needs to be tested on tiny files; one that needs none has no entry.
SETTINGS: dict[str, Callable[[Path], dict[str, object]]] = {
    "fashion-mnist": lambda folder: {"folder": str(tiny_files.write_mnist(folder))},
    "mnist": lambda folder: {"folder": str(tiny_files.write_mnist(folder))},
    "svhn": lambda folder: {"folder": str(tiny_files.write_svhn(folder))},
    "cifar10": lambda folder: {"folder": str(tiny_files.write_cifar10(folder))},
    "cifar100": lambda folder: {"folder": str(tiny_files.write_cifar100(folder))},
    "image-folder": lambda folder: {"folder": str(tiny_files.write_images(folder))},
    "npz": lambda folder: {"file": str(tiny_files.write_npz(folder / "arrays.npz"))},
    "image-folder, streamed": lambda folder: {"folder": str(tiny_files.write_images(folder)), "stream": True},
    "hf-dataset": lambda folder: {"folder": tiny_files.write_hf_dataset(folder), "inputs": "x", "targets": "y"},
}


@pytest.fixture(params=[*DATA.names(), "image-folder, streamed", "file.py:load"])
def part(request: pytest.FixtureRequest, tmp_path: Path) -> Part:
    """Each source in turn, with settings that let it find its tiny files."""
    name: str = request.param
    if name == "file.py:load":
        return Part(name=f"{tiny_files.write_function(tmp_path / 'file.py')}:load")
    fields = DATA.get(name.partition(",")[0]).model_fields
    if name not in SETTINGS and {"folder", "file"} & set(fields):
        pytest.fail(f"the source {name!r} reads files: add to SETTINGS how tiny ones are written")
    settings = SETTINGS[name](tmp_path) if name in SETTINGS else {}
    return Part(name=name.partition(",")[0], settings=settings)


def inputs_of(split: Split | Stream) -> torch.Tensor:
    """All in memory, or a batch of those that are read while training."""
    inputs: torch.Tensor = split.inputs if isinstance(split, Split) else next(split.in_order(100))[0]
    return inputs


def test_it_keeps_the_contract_of_a_data_set(part: Part) -> None:
    data = load_data(part)
    assert check(data) is data
    for split in (data.train, data.test):
        assert inputs_of(split).is_contiguous()


def test_it_loads_the_same_whatever_the_random_generators_hold(part: Part) -> None:
    torch.manual_seed(1)
    numpy.random.seed(1)
    first = load_data(part)
    torch.manual_seed(2)
    numpy.random.seed(2)
    again = load_data(part)
    assert first.fingerprint() == again.fingerprint()
    assert first.name == again.name


def test_it_leaves_the_random_generators_alone(part: Part) -> None:
    torch_state, numpy_state = torch.get_rng_state(), numpy.random.get_state()[1].copy()
    load_data(part)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert numpy.array_equal(numpy.random.get_state()[1], numpy_state)


def test_prepared_inputs_are_finite_and_of_the_scale_that_networks_like(part: Part) -> None:
    data = load_data(part)
    inputs = inputs_of(data.train)
    before = inputs.clone()
    prepared = data.prepare(inputs)
    assert prepared.dtype == torch.float32
    assert prepared.shape == inputs.shape
    assert torch.isfinite(prepared).all()
    assert prepared.abs().max() < 100
    assert torch.equal(inputs, before)


def test_it_can_be_cut(part: Part) -> None:
    data = load_data(part)
    if isinstance(data.train, Split):
        kept, away = cut(data.train, 0.25, torch.Generator().manual_seed(0))
    else:
        kept, away = (data.train.take(chosen) for chosen in torch.arange(len(data.train)).tensor_split([1]))
    assert len(kept) + len(away) == len(data.train)
    assert inputs_of(kept).shape[1:] == inputs_of(away).shape[1:]


def test_its_settings_and_its_meaning_are_described(part: Part) -> None:
    source = data_source(part)
    text = type(source).__doc__ or ""
    assert text.strip()
    assert type(source).model_validate(source.model_dump(mode="json")) == source
