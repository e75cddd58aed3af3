import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as arrays

from prunus.errors import InputError
from prunus.sparse.compiling import load
from prunus.sparse.engine import Engine
from prunus.sparse.execution.choosing import Chooser
from prunus.sparse.native import missing
from prunus.sparse.packing import Choices, read_packed, write_packed
from prunus.sparse.packing.tensor import pack_tensor, unpack_tensor
from sparse.executors import reference
from sparse.packed import small_plan, weights


@given(arrays.arrays(np.float32, arrays.array_shapes(max_dims=4, min_side=0), elements=st.floats(width=32)))
@settings(max_examples=150, deadline=None)
def test_a_tensor_comes_back_bit_by_bit_but_for_the_sign_of_zero(array):
    entry, stored = pack_tensor(array)
    found = unpack_tensor(entry, memoryview(stored))
    assert found.dtype == np.float32
    assert found.shape == array.shape
    assert np.array_equal(found.view(np.uint32), np.where(array == 0, np.float32(0), array).view(np.uint32))


@pytest.mark.parametrize("dtype", ["int64", "bool", "float16", "float64", "uint8"])
def test_other_types_come_back_as_they_are(dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    entry, stored = pack_tensor(array)
    found = unpack_tensor(entry, memoryview(stored))
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


@pytest.mark.parametrize(("density", "least"), [(0.2, 5), (0.1, 9), (0.05, 16)])
def test_the_file_is_as_many_times_smaller_as_is_promised(density, least):
    array = weights(256, 128, 3, 3, density=density)
    _, stored = pack_tensor(array)
    assert array.nbytes / len(stored) >= least


def test_a_plan_comes_back_with_its_choices_and_runs_the_same(tmp_path):
    plan = small_plan()
    choices = Choices(machine="a machine", threads=2, batch=2, kernels=({"c": "dense", "y": "sparse"},))
    size = write_packed(tmp_path / "a.prunus", [plan], [choices])
    assert (tmp_path / "a.prunus").stat().st_size == size
    network = read_packed(tmp_path / "a.prunus")
    found = network.plan()
    (program,), (expected,) = found.parts, plan.parts
    assert (program.operations, program.inputs, program.outputs) == (
        expected.operations, dict(expected.inputs), expected.outputs,
    )  # fmt: skip
    assert all(np.array_equal(program.constants[name], array) for name, array in expected.constants.items())
    assert network.kernels("a machine", 2, 2) == choices.kernels
    assert network.kernels("another machine", 2, 2) is None
    assert network.kernels("a machine", 1, 2) == choices.kernels  # others would give other bits
    assert network.kernels("a machine", 2, 3) is None
    inputs = np.random.default_rng(0).standard_normal((2, 3, 6, 6)).astype(np.float32)
    one, other = (Engine(one, 1, prepare=reference).run(inputs) for one in (plan, found))
    assert np.array_equal(one, other)


def test_constants_of_equal_content_are_written_once(tmp_path):
    one = write_packed(tmp_path / "one.prunus", [small_plan(1)])
    two = write_packed(tmp_path / "two.prunus", [small_plan(1), small_plan(2)])
    assert two - one < 400  # the second plan's sizes in the header


def test_two_batch_sizes_tell_all_others(tmp_path):
    write_packed(tmp_path / "a.prunus", [small_plan(1), small_plan(2)])
    network = read_packed(tmp_path / "a.prunus")
    plan = network.plan(64)
    assert plan.inputs[0].shape == (64, 3, 6, 6)
    assert plan.parts[0].operations == small_plan(64).parts[0].operations
    with pytest.raises(InputError, match=r"several batch sizes.*It holds 1, 2"):
        network.plan()


def test_one_batch_size_tells_no_other(tmp_path):
    write_packed(tmp_path / "a.prunus", [small_plan(4)])
    network = read_packed(tmp_path / "a.prunus")
    assert network.plan().batch == network.plan(4).batch == 4
    with pytest.raises(InputError, match=r"no plan for batches of 3\. It holds 4"):
        network.plan(3)


@pytest.mark.skipif(missing() is not None, reason="no native module")
def test_loading_unpacks_every_tensor_once_and_measures_no_kernel(tmp_path, monkeypatch):
    engine = Engine(small_plan(batch=1), 1)
    engine.save(tmp_path / "a.prunus")
    unpacked = []

    def counted(entry, stored):
        unpacked.append(entry.shape)
        return unpack_tensor(entry, stored)

    monkeypatch.setattr("prunus.sparse.packing.header.unpack_tensor", counted)
    monkeypatch.setattr(Chooser, "_measure", None)
    again = load(tmp_path / "a.prunus")
    assert sorted(unpacked) == sorted(shape for shape in engine.plan.parts[0].constant_shapes.values())
    assert again.choices == engine.choices
