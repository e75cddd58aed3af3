"""Every kernel against the float64 reference, on every instruction set that this machine has."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings, strategies as st

from prunus.errors import InputError
from prunus.sparse import program as p
from prunus.sparse.native import isa, missing
from prunus.sparse.shapes import infer_shapes
from sparse.reference import Reference

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
if missing() is None:
    from prunus.sparse import _native
    from prunus.sparse.execution.prepared import NativeExecutor

    ISAS = _native.isas_of_this_machine()
else:
    ISAS = []

BATCHES = st.sampled_from([1, 3, 16, 17, 64])
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def convolution(op, image, weight, bias=None, residual=None):
    constants = {"weight": weight}
    inputs = {"image": image.shape}
    if bias is not None:
        constants["bias"] = bias
    if residual is not None:
        inputs["residual"] = residual.shape
    return p.Program(inputs, (op,), ("out",), constants)


def deviation(found, expected):
    scale = max(float(np.abs(expected).max()), 1.0)
    return float(np.abs(found - expected).max()) / scale


def weights(rng, shape, kind):
    weight = rng.standard_normal(shape, np.float32)
    if kind == "zero":
        weight[:] = 0
    if kind == "sparse":
        weight[rng.random(shape) < 0.85] = 0
    if kind == "empty rows":
        weight[::2] = 0
        weight[rng.random(shape) < 0.5] = 0
    return weight


@st.composite
def convolutions(draw):
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    groups = draw(st.sampled_from([1, 1, 1, 2, 4, 6]))
    op = p.Convolution(
        output="out",
        input="image",
        weight="weight",
        bias=draw(st.sampled_from([None, "bias"])),
        residual=draw(st.sampled_from([None, "residual"])),
        strides=draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        padding=draw(st.tuples(*[st.integers(0, 6)] * 4)),
        dilation=draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
        groups=groups,
        activation=draw(
            st.sampled_from([None, p.FusedActivation("relu"), p.FusedActivation("silu"), p.FusedActivation("sigmoid")])
        ),
    )
    size = draw(st.tuples(st.integers(1, 13), st.integers(1, 13)))
    image = (draw(BATCHES), groups * draw(st.sampled_from([1, 2, 5, 33])), *size)
    weight = (groups * draw(st.sampled_from([1, 3, 4, 12, 20])), image[1] // groups, *kernel)
    kind = draw(st.sampled_from(["sparse", "dense", "zero", "empty rows"]))
    return op, image, weight, kind, draw(st.integers(0, 2**16))


MANY_OF_ONE = p.Convolution(output="out", input="image", weight="weight", strides=(1, 2), groups=2)
"""Many output channels of each input channel, in strides: across channels only."""


@pytest.mark.parametrize("name", ISAS)
@QUICK
@given(convolutions())
@example((MANY_OF_ONE, (1, 2, 5, 9), (32, 1, 3, 3), "dense", 0))
def test_a_convolution_of_any_shape_is_the_reference(name, drawn):
    op, image_shape, weight_shape, kind, seed = drawn
    rng = np.random.default_rng(seed)
    arrays = {"image": rng.standard_normal(image_shape, np.float32)}
    weight, bias = weights(rng, weight_shape, kind), rng.standard_normal(weight_shape[0], np.float32)
    shape_of = p.Program(
        {"image": image_shape}, (p.Convolution(**{**vars(op), "residual": None, "bias": None}),), ("out",),
        {"weight": weight},
    )  # fmt: skip
    try:
        shape = infer_shapes(shape_of)["out"]
    except InputError:
        assume(False)
    if op.residual:
        arrays["residual"] = rng.standard_normal(shape, np.float32)
    program = convolution(op, arrays["image"], weight, bias if op.bias else None, arrays.get("residual"))
    expected = Reference(program).run(list(arrays.values()))[0]
    executor = NativeExecutor(program, 2, {}, name)
    assert deviation(executor.run(list(arrays.values()))[0], expected) < 1e-5
    one = NativeExecutor(program, 1, executor.choices(), name)
    np.testing.assert_array_equal(one.run(list(arrays.values()))[0], executor.run(list(arrays.values()))[0])


LONG_SUMS = [
    (1, (24, 96, 3, 3), "dense4 1x1 64"),
    (1, (24, 96, 3, 3), "dense-across 1x4 96"),
    (1, (24, 96, 3, 3), "dense-winograd6 1x1 96"),
    (1, (24, 960, 1, 1), "dense-across 1x1 960"),
    (16, (24, 96, 3, 3), "dense6 1x1 64"),
    (16, (24, 96, 3, 3), "sparse 1x4 32"),
    (16, (24, 960, 1, 1), "sparse2 1x4 64"),
]
"""Batch, weight, kernel. Each output is a sum of 864 or 960 products, of equal sign, as after a ReLU."""


@pytest.mark.parametrize("name", ISAS)
@pytest.mark.parametrize(("batch", "shape", "kernel"), LONG_SUMS)
def test_what_long_sums_lose_does_not_grow_with_their_length(name, batch, shape, kernel):
    rng = np.random.default_rng(0)
    weight = rng.random(shape, np.float32)
    if "sparse" in kernel:
        weight[rng.random(shape) < 0.5] = 0
    image = rng.random((batch, shape[1], 8, 8), np.float32)
    pad = shape[2] // 2
    program = convolution(
        p.Convolution(output="out", input="image", weight="weight", padding=(pad,) * 4), image, weight
    )
    executor = NativeExecutor(program, 1, {"out": kernel}, name)
    assert executor.choices() == {"out": kernel}
    expected = Reference(program).run([image])[0]
    lost = executor.run([image])[0] - expected
    # As much as by rounding the results once, or twice by Winograd's way; one chain of 864 sums loses 2e-7 to 3e-7.
    assert np.sqrt((lost**2).mean() / (expected**2).mean()) < 1.2e-7


@pytest.mark.parametrize("name", ISAS)
@pytest.mark.parametrize("shape", [(1, 5, 4000, 40), (1, 13, 4000, 9)])
def test_products_of_matrices_lose_no_more_where_they_are_long(name, shape):
    images, rows, inner, columns = shape
    rng = np.random.default_rng(0)
    left, right = rng.random((images, rows, inner), np.float32), rng.random((images, inner, columns), np.float32)
    op = p.MatMul(output="out", left="left", right="right")
    program = p.Program({"left": left.shape, "right": right.shape}, (op,), ("out",), {})
    expected = Reference(program).run([left, right])[0]
    lost = NativeExecutor(program, 1, {}, name).run([left, right])[0] - expected
    assert np.sqrt((lost**2).mean() / (expected**2).mean()) < 1.2e-7


@pytest.mark.parametrize("name", ISAS)
@pytest.mark.parametrize("batch", [1, 3, 16, 17])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_goes_through_zeros_as_in_dense(name, batch, value):
    rng = np.random.default_rng(0)
    weight = weights(rng, (4, 3, 3, 3), "sparse")
    weight[1] = 0
    image = rng.standard_normal((batch, 3, 6, 6), np.float32)
    image[batch - 1, 1, 2, 3] = value
    op = p.Convolution(output="out", input="image", weight="weight", padding=(1, 1, 1, 1))
    program = convolution(op, image, weight)
    with np.errstate(all="ignore"):
        expected = Reference(program).run([image])[0]
    found = NativeExecutor(program, 2, {"out": "sparse 1x1 3"}, name).run([image])[0]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    assert np.isnan(found[batch - 1, 1, 2, 3])
    assert np.isfinite(found[: batch - 1]).all()


def image_program(rng, batch, size, kind, residual=None, activation=None):
    """A convolution of 3x3 with padding, of 5 to 13 channels."""
    image, weight = rng.standard_normal((batch, 5, *size), np.float32), weights(rng, (13, 5, 3, 3), kind)
    added = rng.standard_normal((batch, 13, *size), np.float32) if residual else None
    op = p.Convolution(
        output="out", input="image", weight="weight", bias="bias", residual=residual, padding=(1, 1, 1, 1),
        activation=activation and p.FusedActivation(activation),
    )  # fmt: skip
    program = convolution(op, image, weight, rng.standard_normal(13, np.float32), added)
    return program, [image] if added is None else [image, added]


@pytest.mark.parametrize("name", ISAS)
@pytest.mark.parametrize("value", [None, np.nan, np.inf])
@pytest.mark.parametrize("size", [(2, 2), (1, 1), (1, 3)])
def test_images_of_few_pixels_over_a_batch(name, size, value):
    program, arrays = image_program(np.random.default_rng(0), 17, size, "sparse", "residual", "silu")
    if value is not None:
        arrays[0][16, 2, 0, 0] = value
    executor = NativeExecutor(program, 2, {}, name)
    found = executor.run(arrays)[0]
    with np.errstate(all="ignore"):
        expected = Reference(program).run(arrays)[0]
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))
    assert deviation(found[np.isfinite(found)], expected[np.isfinite(expected)]) < 1e-5


@pytest.mark.parametrize("name", ISAS)
@pytest.mark.parametrize("value", [None, np.nan, -np.inf])
@pytest.mark.parametrize("residual", [None, "residual"])
@pytest.mark.parametrize(
    ("batch", "kernel"),
    [(17, "dense-winograd6 2x2 64"), (1, "dense-winograd6 2x2 3"), (1, "dense-winograd0 1x14 64")],
)
def test_a_convolution_of_winograd_is_the_reference(name, batch, kernel, residual, value):
    rng = np.random.default_rng(0)
    program, arrays = image_program(rng, batch, (7, 37 if batch == 1 else 5), "dense", residual, "relu")
    if value is not None:
        arrays[0][batch - 1, 2, 3, 4] = value
    executor = NativeExecutor(program, 2, {"out": kernel}, name)
    assert executor.choices() == {"out": kernel}
    found = executor.run(arrays)[0]
    with np.errstate(all="ignore"):
        expected = Reference(program).run(arrays)[0]
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))
    assert deviation(found[np.isfinite(found)], expected[np.isfinite(expected)]) < 1e-5
    one = NativeExecutor(program, 1, executor.choices(), name)
    np.testing.assert_array_equal(one.run(arrays)[0], found)


@pytest.mark.parametrize("name", ISAS)
@QUICK
@given(BATCHES, st.integers(1, 70), st.integers(1, 70), st.sampled_from(["sparse", "dense", "zero", "empty rows"]))
def test_a_linear_layer_of_any_size_is_the_reference(name, batch, size, features, kind):
    rng = np.random.default_rng(size)
    weight = weights(rng, (features, size), kind)
    rows = rng.standard_normal((batch, size), np.float32)
    op = p.Linear(output="out", input="rows", weight="weight", activation=p.FusedActivation("gelu"))
    program = p.Program({"rows": rows.shape}, (op,), ("out",), {"weight": weight})
    found = NativeExecutor(program, 2, {}, name).run([rows])[0]
    assert deviation(found, Reference(program).run([rows])[0]) < 1e-5


KINDS = ["leaky_relu", "sigmoid", "hard_sigmoid", "hard_swish", "silu", "gelu", "gelu_tanh", "tanh", "erf"]


@pytest.mark.parametrize("name", ISAS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_function_is_accurate_over_its_whole_range(name, kind):
    values = np.concatenate([np.linspace(-20, 20, 4001), [-1e30, -90.0, 90.0, 1e30, 1e-30, 0.0]]).astype(np.float32)
    op = p.Elementwise(output="out", input="x", activation=p.FusedActivation(kind, 0.2, 0.5))
    program = p.Program({"x": values.shape}, (op,), ("out",))
    found, expected = NativeExecutor(program, 1, {}, name).run([values])[0], Reference(program).run([values])[0]
    np.testing.assert_allclose(found, expected, rtol=3e-6, atol=3e-7)


@pytest.mark.parametrize("name", ISAS)
@pytest.mark.parametrize("count", [37, 6625, 200_003])
def test_sums_over_long_rows_are_accurate(name, count):
    """As over the characters of a recogniser of text, where values one after the other in one sum lost 1e-5."""
    rows = np.random.default_rng(0).standard_normal((2, count)).astype(np.float32)
    operations = (
        p.Softmax(output="softmax", input="x", axis=1),
        p.LayerNorm(output="norm", input="x", axis=1, epsilon=1e-5),
        p.Mean(output="mean", input="x", axes=(1,), keep=False),
    )
    program = p.Program({"x": rows.shape}, operations, ("softmax", "norm", "mean"))
    found, expected = NativeExecutor(program, 1, {}, name).run([rows + 3]), Reference(program).run([rows + 3])
    for one, right in zip(found, expected, strict=True):
        assert np.abs(one - right).max() < 1e-6 * np.abs(right).max()


def test_an_instruction_set_that_is_unknown_is_one_clear_error(monkeypatch):
    monkeypatch.setenv("PRUNUS_ISA", "avx3")
    with pytest.raises(InputError, match=r"PRUNUS_ISA is 'avx3'\. There is no instruction set of that name"):
        isa()


@pytest.mark.skipif(not ISAS, reason="needs the native module")
def test_a_kernel_of_another_version_that_does_not_suit_is_measured_anew():
    rng = np.random.default_rng(0)
    weight, image = weights(rng, (4, 3, 3, 3), "dense"), rng.standard_normal((1, 3, 9, 9), np.float32)
    op = p.Convolution(output="out", input="image", weight="weight", padding=(1, 1, 1, 1), strides=(2, 2))
    program = convolution(op, image, weight)
    executor = NativeExecutor(program, 1, {"out": "dense6 1x2 3"})
    assert executor.choices()["out"].startswith("dense-across")
    assert deviation(executor.run([image])[0], Reference(program).run([image])[0]) < 1e-5


@pytest.mark.parametrize("name", ISAS)
@pytest.mark.parametrize("value", [None, np.nan, np.inf])
@pytest.mark.parametrize(("activation", "size"), [("relu", (18, 20)), ("silu", (18, 20)), ("relu", (4, 4))])
def test_a_convolution_that_is_pooled_at_once(name, activation, size, value):
    rng = np.random.default_rng(0)
    image, weight = rng.standard_normal((33, 40, *size), np.float32), weights(rng, (7, 40, 3, 3), "sparse")
    if value is not None:
        image[32, 2, 3, 1] = value
    conv = p.Convolution(
        output="c", input="image", weight="weight", padding=(1, 1, 1, 1), activation=p.FusedActivation(activation)
    )
    pool = p.Pool(output="out", input="c", reduction="max", kernel=(2, 2), strides=(2, 2))
    program = p.Program({"image": image.shape}, (conv, pool), ("out",), {"weight": weight})
    with np.errstate(all="ignore"):
        expected = Reference(program).run([image])[0]
    executor = NativeExecutor(program, 2, {}, name)
    at_once = activation == "relu" and (
        size != (4, 4) or name in {"avx512", "avx512-vnni", "amx", "neon"}
    )  # of which 16 sums fit into registers
    assert [step.writes[0].name for step in executor._plans if step.candidates] == ["out" if at_once else "c"]
    found = executor.run([image])[0]
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))
    assert deviation(found[np.isfinite(found)], expected[np.isfinite(expected)]) < 1e-5
    one = NativeExecutor(program, 1, executor.choices(), name)
    np.testing.assert_array_equal(one.run([image])[0], found)


@pytest.mark.parametrize("name", ISAS)
@pytest.mark.parametrize("value", [None, np.nan, np.inf])
@pytest.mark.parametrize(("size", "groups"), [(2, 1), (3, 2), (4, 1)])
def test_tiles_that_are_whole_images(name, size, groups, value):
    rng = np.random.default_rng(0)
    image, weight = (
        rng.standard_normal((33, 40, size, size), np.float32),
        weights(rng, (8, 40 // groups, 3, 3), "sparse"),
    )
    if value is not None:
        image[32, 2, 0, 1] = value
    conv = p.Convolution(output="out", input="image", weight="weight", padding=(1, 1, 1, 1), groups=groups)
    program = p.Program({"image": image.shape}, (conv,), ("out",), {"weight": weight})
    with np.errstate(all="ignore"):
        expected = Reference(program).run([image])[0]
    kernel = f"sparse-whole {size}x{size} 32"
    executor = NativeExecutor(program, 2, {"out": kernel}, name)
    offered = any(kernel in step.candidates for step in executor._plans)
    assert offered == (size < 4 or name in {"avx512", "avx512-vnni", "amx", "neon"})
    assert (executor.choices()["out"] == kernel) == offered
    found = executor.run([image])[0]
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))
    assert deviation(found[np.isfinite(found)], expected[np.isfinite(expected)]) < 1e-5


def test_no_tile_is_a_whole_image_where_a_weight_is_not_finite():
    """The zeros around the image are left out; times infinity they would be NaN."""
    rng = np.random.default_rng(0)
    image, weight = rng.standard_normal((33, 40, 4, 4), np.float32), weights(rng, (8, 40, 3, 3), "sparse")
    weight[0, 0, 0, 0] = np.inf
    conv = p.Convolution(output="out", input="image", weight="weight", padding=(1, 1, 1, 1))
    program = p.Program({"image": image.shape}, (conv,), ("out",), {"weight": weight})
    with np.errstate(all="ignore"):
        expected = Reference(program).run([image])[0]
    executor = NativeExecutor(program, 1, {"out": "sparse-whole 4x4 32"})
    assert not executor.choices()["out"].startswith("sparse-whole")
    found = executor.run([image])[0]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))


def test_layers_alike_of_which_one_has_a_weight_that_is_not_finite():
    """What was measured for one is no kernel of the other's."""
    rng = np.random.default_rng(0)
    image, first = rng.standard_normal((33, 8, 4, 4), np.float32), weights(rng, (8, 8, 3, 3), "sparse")
    second = first.copy()
    second.flat[np.flatnonzero(first)[0]] = np.inf
    convolutions = [
        p.Convolution(output=out, input=given, weight=weight, padding=(1, 1, 1, 1))
        for out, given, weight in (("a", "image", "first"), ("out", "a", "second"))
    ]
    program = p.Program({"image": image.shape}, tuple(convolutions), ("out",), {"first": first, "second": second})
    executor = NativeExecutor(program, 1, {})
    assert not executor.choices()["out"].startswith("sparse-whole")
    with np.errstate(all="ignore"):
        expected = Reference(program).run([image])[0]
    np.testing.assert_array_equal(np.isfinite(executor.run([image])[0]), np.isfinite(expected))
