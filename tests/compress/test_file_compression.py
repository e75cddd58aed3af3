"""From an ONNX file to smaller ones: the search, what is delivered, and what is refused."""

import numpy as np
import onnx
import pytest
from hypothesis import given, strategies as st
from onnx import helper

import prunus
from compress.onnx_files import inputs, perceptron, write
from prunus.compress.file import FileSettings, compress_file
from prunus.compress.file.agreement import agreement_of, closeness, cosine, same_classes, same_decisions
from prunus.compress.file.inputs import FEWEST, Scaling, divide, read_feeds
from prunus.compress.file.network import read_network_file, run_over
from prunus.compress.file.removing import Thinned
from prunus.compress.file.result import Row, choose
from prunus.compress.file.search import LayerChoices, at_price, first_that_holds
from prunus.compress.file.timing import Time
from prunus.errors import InputError
from prunus.report.statistics import Interval


@given(st.integers(0, 40), st.integers(0, 40))
def test_halving_finds_the_first_that_holds_in_few_looks(count, first):
    looked = []

    def holds(number):
        looked.append(number)
        return number >= first

    assert first_that_holds(range(count), holds) == (first if first < count else None)
    assert len(looked) <= count.bit_length()


def test_zeros_go_where_they_save_most_for_their_harm(tmp_path):
    """At a price p the rates cost work x (1 - rate) + p x harm x error of all the work."""
    half, most = Thinned(0.5, 0.1, tmp_path), Thinned(0.9, 0.4, tmp_path)
    layers = [LayerChoices("harmful", 50, (half, most), harm=10), LayerChoices("harmless", 50, (half, most), harm=0)]
    assert at_price(layers, 0.0) == {"harmful": most, "harmless": most}
    # of 100: 50 x 0.5 + 0.2 x 100 x 10 x 0.1 = 45 < 50, and 50 x 0.1 + 80 = 85
    assert at_price(layers, 0.2) == {"harmful": half, "harmless": most}
    assert at_price(layers, 1.0) == {"harmless": most}


def row(kind, runtime, ms, size, high=None):
    return Row(kind, runtime, size, Time(ms, Interval(ms / 10, ms / 10, high or ms / 10, 40)), 0.0)


def test_the_fastest_and_the_smallest_are_chosen_where_they_beat_the_file_as_it_was():
    base = row("original", "onnxruntime", 10, 1000)
    small, fast = row("weights", "onnxruntime", 12, 250), row("zeros", "prunus", 5, 400)
    both = row("zeros+int8", "onnxruntime", 4.9, 250)
    assert choose((base, small, fast)) == (("fastest", fast), ("smallest", small))
    assert choose((base, small, fast, both)) == (("fastest and smallest", both),)
    assert choose((base, row("int8", "onnxruntime", 9.9, 1000, high=1.01))) == ()
    unsure = row("zeros+weights", "prunus", 5.1, 300, high=1.01)  # as fast and smaller, but that is not shown
    assert choose((base, small, fast, unsure)) == (("fastest", fast), ("smallest", small))


def test_metrics_of_agreement_worked_out_by_hand():
    one, two = np.array([[0.1, 0.7, 0.2]]), np.array([[0.3, 0.4, 0.3]])
    assert same_classes([one], [two]) == 1
    assert same_classes([one], [two[:, ::-1] + [0.5, 0, 0]]) == 0
    assert same_decisions([np.array([0.6, 0.7, 0.1])], [np.array([0.6, 0.2, 0.9])]) == pytest.approx(1 / 3)
    assert same_decisions([np.array([0.2])], [np.array([0.3])]) == 1
    assert cosine([np.array([[1.0, 0.0], [0.0, 0.0]])], [np.array([[1.0, 1.0], [0.0, 0.0]])]) == pytest.approx(
        (1 + 0.5**0.5) / 2
    )
    assert closeness([np.array([3.0, 4.0])], [np.array([3.0, 3.0])]) == pytest.approx(1 - 1 / 5)


@pytest.mark.parametrize(
    ("last", "name"),
    [
        (helper.make_node("Softmax", ["a"], ["y"]), "classes"),
        (helper.make_node("Sigmoid", ["a"], ["y"]), "decisions"),
        (helper.make_node("Add", ["a", "b"], ["y"]), "classes"),
        (helper.make_node("Tanh", ["a"], ["y"]), "cosine"),
    ],
)
def test_the_metric_goes_by_what_outputs_look_like(last, name, tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), last]
    constants = {"w": np.random.default_rng(0).standard_normal((16, 3)), "b": [3.0, 1, 2]}
    network = read_network_file(write(tmp_path / "a.onnx", nodes, constants, shape=("n", 16)))
    outputs = list(run_over(network.proto, [{"x": each} for each in inputs(20)]))
    assert agreement_of("auto", network, outputs).name == name


@pytest.fixture(scope="module")
def compressed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("file")
    path = perceptron(folder / "net.onnx", width=128)
    told = []
    found = compress_file(
        path, inputs(90), out=folder / "small", keep=15, runtimes=["onnxruntime"], seed=3, tell=told.append
    )
    return path, found, told


def test_a_file_becomes_smaller_ones_that_agree(compressed):
    path, found, told = compressed
    assert [one.change.kind for one in found.tried] == ["weights", "int8", "zeros", "zeros+weights", "zeros+int8"]
    assert found.rows[0].kind == "original"
    small = found.delivered[-1]
    assert "smallest" in small.role
    assert small.path.stat().st_size == small.row.size_bytes < 0.5 * path.stat().st_size
    assert 100 * small.agreement.mean > 80
    onnx.checker.check_model(onnx.load(small.path))
    assert any("scores of classes" in line for line in told)
    assert "looked at once" in str(found)
    page = (found.out / "report.html").read_text()
    assert "onnxruntime.InferenceSession" in page
    assert FileSettings.from_toml(found.out / "compress.toml").seed == 3


def test_masks_of_zeros_are_those_that_were_chosen_also_on_integers(compressed):
    _, found, _ = compressed
    both = next(one for one in found.tried if one.change.kind == "zeros+int8")
    assert both.change.zeros
    assert all(0.2 < one.rate < 1 for one in both.change.zeros.values())


def test_harmful_layers_are_left_out_of_those_on_integers(tmp_path):
    """One layer takes numbers of two sizes, of which a step of the larger is all of the smaller."""
    draw = np.random.default_rng(0)
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"], "plain"),
        helper.make_node("Mul", ["a", "sizes"], ["b"]),
        helper.make_node("MatMul", ["b", "w2"], ["c"], "harmful"),
        helper.make_node("Tanh", ["c"], ["d"]),
        helper.make_node("MatMul", ["d", "w3"], ["y"], "last"),
    ]
    sizes = np.where(np.arange(32) < 4, 1.0, 1e-4)
    constants = {
        "w1": draw.standard_normal((16, 32)),
        "sizes": sizes,
        "w2": draw.standard_normal((32, 16)) * (sizes[:, None] < 1) * 2e3 + 1e-3,
        "w3": draw.standard_normal((16, 4)),
    }
    path = write(tmp_path / "net.onnx", nodes, constants, shape=("n", 16))
    found = compress_file(
        path, inputs(120), out=tmp_path / "small", keep=10, runtimes=["onnxruntime"], metric="classes"
    )
    integers = next(one for one in found.tried if one.change.kind == "int8")
    assert integers.holds
    assert "harmful" not in integers.change.integer
    assert "last" in integers.change.integer


def test_protected_layers_stay_and_where_all_are_that_is_said(tmp_path):
    path = perceptron(tmp_path / "net.onnx")
    found = compress_file(
        path, inputs(), out=tmp_path / "small", keep=50, protect=["fir*"], pattern="2:4", runtimes=["onnxruntime"]
    )
    assert [layer.layer for layer in found.layers] == ["second"]
    with pytest.raises(InputError, match=r"has no layer that can be changed. All are protected"):
        compress_file(path, inputs(), out=tmp_path / "small", protect=["*"])


def test_what_cannot_be_changed_is_refused_by_name(tmp_path):
    path = write(tmp_path / "net.onnx", [helper.make_node("Relu", ["x"], ["y"])], {})
    with pytest.raises(InputError, match=r"has no layer that can be changed. It has no convolution or matrix product"):
        compress_file(path, inputs(size=4), out=tmp_path / "small")


def test_weights_that_no_layer_holds_are_told_of(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "shared"], ["a"]),
        helper.make_node("MatMul", ["a", "shared"], ["b"]),
        helper.make_node("MatMul", ["b", "w"], ["y"], "only"),
    ]
    draw = np.random.default_rng(0)
    constants = {"shared": draw.standard_normal((16, 16)), "w": draw.standard_normal((16, 16))}
    path = write(tmp_path / "net.onnx", nodes, constants, shape=("n", 16))
    found = compress_file(path, inputs(30), out=tmp_path / "small", keep=30, runtimes=["onnxruntime"])
    assert any("50 % of its constants stay as they are" in note for note in found.notes)


def test_a_file_of_an_old_opset_is_brought_to_a_newer_one(tmp_path):
    path = perceptron(tmp_path / "net.onnx", opset=9)
    network = read_network_file(path)
    (before,), (after,) = (next(run_over(one, [{"x": inputs()[0]}])) for one in (path, network.proto))
    np.testing.assert_allclose(before, after, rtol=1e-5)
    assert network.proto.opset_import[0].version >= 17


def test_an_opset_too_old_is_named(tmp_path):
    nodes = [helper.make_node("Affine", ["x"], ["y"], alpha=2.0, beta=1.0)]
    path = write(tmp_path / "net.onnx", nodes, {}, opset=1)
    with pytest.raises(InputError, match=r"is of opset 1, and cannot be brought to 17"):
        read_network_file(path)


@pytest.mark.parametrize("content", [b"", b"not an ONNX file", b"\x08\x08\x3a\x02\x0a"])
def test_damaged_files_are_one_clear_error(content, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"is not an ONNX file"):
        compress_file(path, inputs(), out=tmp_path / "small")


def test_every_truncation_of_a_file_is_an_error_or_a_network(tmp_path):
    whole = perceptron(tmp_path / "net.onnx", width=4).read_bytes()
    for length in range(1, len(whole), len(whole) // 5):
        (tmp_path / "cut.onnx").write_bytes(whole[:length])
        with pytest.raises(InputError):
            compress_file(tmp_path / "cut.onnx", inputs(), out=tmp_path / "small")


def ports(path):
    return read_network_file(path).ports


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    return ports(perceptron(tmp_path_factory.mktemp("ports") / "net.onnx"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (inputs(size=15), r"The inputs are of another shape than x \(n, 16\). Input 1: they are \(1, 15\)"),
        ([np.ones((1, 16), np.float32)] * 20, r"The calibration inputs are constant"),
        (inputs(5), rf"5 inputs are too few.*give {FEWEST} at least"),
        ([{"z": each} for each in inputs()], r"The network has no input 'z'. Did you mean|Known: x"),
        ([(each, each) for each in inputs()], r"Input 1 has 2 arrays. The network takes 1"),
        ([each.astype(np.int64) for each in inputs()], r"'x' is of another type. It is int64, and float32 is taken"),
        ([each * np.inf for each in inputs()], r"Input 1 is not finite"),
        ("nowhere.npz", r"The inputs nowhere.npz do not exist"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_in_one_sentence(given, message, port):
    with pytest.raises(InputError, match="(?i)" + message):
        read_feeds(given, port, Scaling())


def test_inputs_of_an_archive_are_divided_into_runs(tmp_path, port):
    rows = np.concatenate(inputs(20))
    np.savez(tmp_path / "flat.npz", x=rows)
    np.savez(tmp_path / "runs.npz", x=rows.reshape(10, 2, 16), other=1)
    np.savez(tmp_path / "wrong.npz", y=rows)
    np.savez(tmp_path / "pickled.npz", x=np.array([{}]), allow_pickle=True)
    assert [feed["x"].shape for feed in read_feeds(tmp_path / "flat.npz", port, Scaling())] == [(1, 16)] * 20
    with pytest.raises(InputError, match=r"10 inputs are too few"):
        read_feeds(tmp_path / "runs.npz", port, Scaling())
    with pytest.raises(InputError, match=r"wrong.npz has no array 'x'. The network takes x \(n, 16\)"):
        read_feeds(tmp_path / "wrong.npz", port, Scaling())
    with pytest.raises(InputError, match=r"pickled.npz cannot be read"):
        read_feeds(tmp_path / "pickled.npz", port, Scaling())


def test_images_of_a_folder_are_scaled(tmp_path):
    from PIL import Image

    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(20):
        Image.new("RGB", (6, 4), (number, 255, 0)).save(folder / f"{number:02d}.png")
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    path = write(tmp_path / "net.onnx", nodes, {"w": np.ones((2, 3, 1, 1))}, shape=("n", 3, 4, 6))
    feeds = read_feeds(folder, ports(path), Scaling((0.5, 0.5, 0.0), (0.5, 0.5, 1.0)))
    assert feeds[3]["x"].shape == (1, 3, 4, 6)
    np.testing.assert_allclose(feeds[3]["x"][0, :, 0, 0], [(3 / 255 - 0.5) / 0.5, 1, 0], rtol=1e-6)
    with pytest.raises(InputError, match="Images cannot be given to this network"):
        read_feeds(folder, ports(perceptron(tmp_path / "other.onnx")), Scaling())


def test_every_input_has_one_end():
    feeds = [{"x": each} for each in inputs(100)]
    parts = divide(feeds, seed=1)
    assert [len(part) for part in (parts.calibration, parts.choosing, parts.test)] == [33, 33, 34]
    together = {id(feed) for part in (parts.calibration, parts.choosing, parts.test) for feed in part}
    assert together == {id(feed) for feed in feeds}


def test_a_runtime_that_takes_no_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"The runtime 'torch' takes no ONNX file"):
        compress_file(tmp_path / "net.onnx", inputs(), out=tmp_path / "small", runtimes=["torch"])


def test_zeros_run_on_the_sparse_runtime_as_in_the_file(tmp_path):
    from prunus.sparse.native import missing

    if missing():
        pytest.skip("the native module is not built")
    path = perceptron(tmp_path / "net.onnx", width=256)
    found = prunus.compress_file(path, inputs(60), out=tmp_path / "small", keep=30, runtimes=["prunus"])
    zeros = [one for one in found.rows if one.runtime == "prunus" and one.kind == "zeros"]
    assert len(zeros) == 1
    assert zeros[0].deviation < 1e-5
    assert zeros[0].size_bytes < found.rows[0].size_bytes
    for one in found.delivered:
        assert one.path.name == "model.prunus"
        assert (one.path.parent / "model.onnx").exists()
