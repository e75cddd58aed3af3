"""What every source of data promises, checked on every one that is registered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch

import tiny_files
from prunus.data import DATA, data_source, load_data
from prunus.data.check import check
from prunus.data.cut import cut
from prunus.spec import Part

# What a source needs to be tested on tiny files; one that needs none has no entry.
SETTINGS: dict[str, Callable[[Path], dict[str, str]]] = {
    "fashion-mnist": lambda folder: {"folder": str(tiny_files.write_mnist(folder))},
    "mnist": lambda folder: {"folder": str(tiny_files.write_mnist(folder))},
    "svhn": lambda folder: {"folder": str(tiny_files.write_svhn(folder))},
    "cifar10": lambda folder: {"folder": str(tiny_files.write_cifar10(folder))},
    "cifar100": lambda folder: {"folder": str(tiny_files.write_cifar100(folder))},
    "image-folder": lambda folder: {"folder": str(tiny_files.write_images(folder))},
    "npz": lambda folder: {"file": str(tiny_files.write_npz(folder / "arrays.npz"))},
}


@pytest.fixture(params=[*DATA.names(), "file.py:load"])
def part(request: pytest.FixtureRequest, tmp_path: Path) -> Part:
    """Each source in turn, with settings that let it find its tiny files."""
    name: str = request.param
    if name == "file.py:load":
        return Part(name=f"{tiny_files.write_function(tmp_path / 'file.py')}:load")
    fields = DATA.get(name).model_fields
    if name not in SETTINGS and {"folder", "file"} & set(fields):
        pytest.fail(f"the source {name!r} reads files: add to SETTINGS how tiny ones are written")
    settings = SETTINGS[name](tmp_path) if name in SETTINGS else {}
    return Part(name=name, settings=settings)


def test_it_keeps_the_contract_of_a_data_set(part: Part) -> None:
    data = load_data(part)
    assert check(data) is data
    assert data.train.inputs.is_contiguous()
    assert data.test.inputs.is_contiguous()


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
    before = data.train.inputs.clone()
    prepared = data.prepare(data.train.inputs)
    assert prepared.dtype == torch.float32
    assert prepared.shape == data.train.inputs.shape
    assert torch.isfinite(prepared).all()
    assert prepared.abs().max() < 100
    assert torch.equal(data.train.inputs, before)


def test_it_can_be_cut(part: Part) -> None:
    data = load_data(part)
    kept, away = cut(data.train, 0.25, torch.Generator().manual_seed(0))
    assert len(kept) + len(away) == len(data.train)
    assert kept.inputs.shape[1:] == away.inputs.shape[1:] == data.input_shape


def test_its_settings_and_its_meaning_are_described(part: Part) -> None:
    source = data_source(part)
    text = type(source).__doc__ or ""
    assert text.strip()
    assert type(source).model_validate(source.model_dump(mode="json")) == source
