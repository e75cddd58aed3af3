import logging
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from prunus.channels.by_name import prune_channels
from prunus.errors import InputError, PrunusError
from prunus.export import OnnxTemplates, write_onnx


class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


class Flat(nn.Module):
    """The size of the flattened image goes into the exported graph, but need not be there."""

    def __init__(self, width=4):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3)
        self.head = nn.Linear(width * 36, 3)

    def forward(self, x):
        return self.head(torch.flatten(self.conv(x), 1))


class Shuffled(Flat):
    """The sizes between two of its layers must be in the graph."""

    def forward(self, x):
        x = self.conv(x)
        mixed = x.view(x.shape[0], 2, x.shape[1] // 2, 6, 6).transpose(1, 2)
        return self.head(torch.flatten(mixed, 1))


IMAGE = torch.zeros(1, 1, 8, 8)


def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def assert_same(path, model, inputs):
    given = [inputs] if isinstance(inputs, torch.Tensor) else inputs
    names = [node.name for node in session(path).get_inputs()]
    found = session(path).run(None, dict(zip(names, (x.numpy() for x in given), strict=True)))[0]
    with torch.no_grad():
        np.testing.assert_allclose(found, model.eval()(*given).numpy(), rtol=1e-4, atol=1e-5)


def test_a_file_that_computes_the_same_at_any_batch(tmp_path, capfd, caplog):
    torch.manual_seed(0)
    model = Net().train()
    model.norm.running_mean.normal_()
    written = write_onnx(model, IMAGE, tmp_path / "deep" / "net.onnx")
    assert model.training
    assert model.norm.training
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]
    assert logging.root.manager.disable == 0
    assert written.deviation < 1e-5
    assert written.size_bytes == written.path.stat().st_size
    assert [entry.name for entry in written.path.parent.iterdir()] == ["net.onnx"], "one file, no data beside it"
    for batch in (1, 2, 7):
        assert_same(written.path, model, torch.randn(batch, 1, 8, 8))
    graph = onnx.load(written.path).graph
    assert "BatchNormalization" not in {node.op_type for node in graph.node}
    assert [node.name for node in graph.input] == ["input"]
    assert not any(node.metadata_props or node.doc_string for node in graph.node)
    assert __file__.encode() not in written.path.read_bytes()
    assert write_onnx(model, IMAGE, tmp_path / "again.onnx").sha256 == written.sha256


def test_other_weights_take_the_same_graph(tmp_path):
    templates = OnnxTemplates()
    for seed in range(3):
        torch.manual_seed(seed)
        model = Net()
        assert_same(write_onnx(model, IMAGE, tmp_path / "net", templates).path, model, torch.randn(2, 1, 8, 8))
    assert templates.exports == 1


@pytest.mark.parametrize("kind", [Net, Flat])
def test_fewer_channels_take_the_same_graph_where_it_holds_no_sizes(tmp_path, kind):
    templates = OnnxTemplates()
    for width in (8, 3, 1):
        model = kind(width)
        assert_same(write_onnx(model, IMAGE, tmp_path / "net", templates).path, model, torch.randn(2, 1, 8, 8))
    assert templates.exports == 1


def test_fewer_channels_are_exported_afresh_where_it_does(tmp_path):
    templates = OnnxTemplates()
    for width in (8, 4, 4):
        model = Shuffled(width)
        assert_same(write_onnx(model, IMAGE, tmp_path / "net", templates).path, model, torch.randn(2, 1, 8, 8))
    assert templates.exports == 2


def test_a_network_that_only_looks_the_same_is_exported_afresh(tmp_path):
    class Other(Net):
        def forward(self, x):
            return self.head(torch.tanh(self.norm(self.conv(x))).mean((2, 3)))

    templates = OnnxTemplates()
    write_onnx(Net(), IMAGE, tmp_path / "net", templates)
    model = Other()
    assert_same(write_onnx(model, IMAGE, tmp_path / "other", templates).path, model, torch.randn(2, 1, 8, 8))
    assert templates.exports == 2


@pytest.mark.parametrize("written", ["by the image", "by the batch"])
def test_a_rewritten_graph_runs_at_any_batch(tmp_path, written):
    class Viewed(Flat):
        def forward(self, x):
            return self.head(self.conv(x).view(*((len(x), 144) if written == "by the image" else (-1, 144))))

    torch.manual_seed(0)
    model = prune_channels(Viewed(), torch.randn(2, 1, 8, 8), 0.5).model
    assert not isinstance(model, Viewed)
    assert_same(write_onnx(model, IMAGE, tmp_path / "net").path, model, torch.randn(5, 1, 8, 8))


def test_names_that_do_not_match_are_refused(tmp_path):
    class Renamed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Net()

        def forward(self, x):
            return self.inner(x)

    templates = OnnxTemplates()
    write_onnx(Net(), IMAGE, tmp_path / "net", templates)
    write_onnx(Renamed(), IMAGE, tmp_path / "net", templates)
    assert templates.exports == 2


def test_a_graph_with_values_of_its_own_is_no_template(tmp_path):
    class Scaled(nn.Module):
        def __init__(self, scale):
            super().__init__()
            self.linear = nn.Linear(4, 3)
            self.scale = scale  # a plain tensor: not a parameter, not a buffer

        def forward(self, x):
            return self.linear(x) * self.scale

    templates = OnnxTemplates()
    for _ in range(2):
        model = Scaled(torch.randn(3))
        assert_same(write_onnx(model, torch.zeros(1, 4), tmp_path / "net", templates).path, model, torch.randn(2, 4))
    assert templates.exports == 2


def test_two_inputs_one_of_them_tokens(tmp_path):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.head = nn.Embedding(11, 4), nn.Linear(4, 3)

        def forward(self, tokens, scale):
            return self.head(self.embedding(tokens).mean(1) * scale)

    model = Two()
    example = torch.arange(10).reshape(2, 5), torch.randn(2, 4)
    path = write_onnx(model, example, tmp_path / "two").path
    assert [node.name for node in session(path).get_inputs()] == ["input_0", "input_1"]
    assert_same(path, model, (torch.tensor([[1, 2, 3, 4, 5]]), torch.randn(1, 4)))


def test_named_inputs_keep_their_names_and_caches_are_no_outputs(tmp_path):
    class Cache(SimpleNamespace):
        pass

    class Answering(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.head = nn.Embedding(9, 4), nn.Linear(4, 2)

        def forward(self, weights=None, tokens=None):
            hidden = (self.words(tokens) * weights[..., None]).sum(1)
            return {"cache": Cache(hidden=hidden), "logits": self.head(hidden)}

    model, inputs = Answering(), {"tokens": torch.tensor([[1, 2, 3], [4, 5, 8]]), "weights": torch.rand(2, 3)}
    path = write_onnx(model, inputs, tmp_path / "n.onnx").path
    assert [node.name for node in session(path).get_inputs()] == ["tokens", "weights"]
    (found,) = session(path).run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
    assert np.allclose(found, model(**inputs)["logits"].detach(), atol=1e-6)


def test_several_outputs(tmp_path):
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            return {"logits": self.head(x), "features": x * 2}

    path = write_onnx(Both(), torch.zeros(1, 4), str(tmp_path / "both")).path
    assert [tuple(array.shape) for array in session(path).run(None, {"input": np.zeros((5, 4), np.float32)})] == [
        (5, 3),
        (5, 4),
    ]


@pytest.mark.parametrize("prepare", [lambda m: m.to(memory_format=torch.channels_last), lambda m: m.to(torch.bfloat16)])
def test_weights_are_written_as_plain_fp32(tmp_path, prepare):
    model = prepare(Net())
    kinds = {tensor.dtype for tensor in model.parameters()}
    written = write_onnx(model, IMAGE, tmp_path / "net")
    initializers = onnx.load(written.path).graph.initializer
    assert {tensor.data_type for tensor in initializers if tensor.name.startswith("conv")} == {onnx.TensorProto.FLOAT}
    assert {tensor.dtype for tensor in model.parameters()} == kinds


def test_zeros_stay_zeros(tmp_path):
    model = Net()
    with torch.no_grad():
        model.conv.weight[1:] = 0
    weights = {
        t.name: onnx.numpy_helper.to_array(t)
        for t in onnx.load(write_onnx(model, IMAGE, tmp_path / "n").path).graph.initializer
    }
    assert np.count_nonzero(weights["conv.weight"]) == 9


def test_a_network_that_never_computes_the_same_twice_is_refused(tmp_path):
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, x):
            return self.linear(x) + torch.rand_like(x)[:, :3]

    with pytest.raises(PrunusError, match=r"outputs differ by .* of the largest one, and 1e-04 is the limit"):
        write_onnx(Noisy(), torch.zeros(1, 4), tmp_path / "noisy")
    assert not list(tmp_path.iterdir())


def test_a_network_that_diverged_is_refused(tmp_path):
    model = nn.Linear(4, 3)
    model.weight.data.fill_(float("nan"))
    with pytest.raises(PrunusError, match="not finite"):
        write_onnx(model, torch.zeros(1, 4), tmp_path / "nan")


def test_a_network_of_zeros_is_written(tmp_path):
    model = nn.Linear(4, 3)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    assert write_onnx(model, torch.zeros(1, 4), tmp_path / "zero").deviation == 0


def test_what_cannot_be_exported_says_so(tmp_path):
    class Branching(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(InputError, match="Branching cannot be exported to ONNX"):
        write_onnx(Branching(), torch.zeros(1, 4), tmp_path / "no")


def test_an_input_that_is_no_batch_but_as_long_as_one_says_so(tmp_path):
    class Product(nn.Module):
        def forward(self, x, matrix):
            return x @ matrix

    with pytest.raises(InputError, match=r"another batch size than the example.*give an example of another batch size"):
        write_onnx(Product(), (torch.zeros(2, 2), torch.zeros(2, 2)), tmp_path / "no")
    assert write_onnx(Product(), (torch.zeros(3, 2), torch.zeros(2, 2)), tmp_path / "yes").deviation < 1e-5
    with pytest.raises(InputError, match="Product cannot be exported"):  # also where its inputs have names
        write_onnx(Product(), {"x": torch.zeros(2, 2), "matrix": torch.zeros(2, 2)}, tmp_path / "no")


def test_examples_must_have_a_batch(tmp_path):
    with pytest.raises(InputError, match="not tensors with a batch dimension"):
        write_onnx(nn.ReLU(), (), tmp_path / "no")


def test_a_failed_export_leaves_the_earlier_file(tmp_path):
    write_onnx(nn.Linear(4, 3), torch.zeros(1, 4), tmp_path / "net")
    before = (tmp_path / "net").read_bytes()
    with pytest.raises(InputError):
        write_onnx(nn.Linear(4, 3), torch.zeros(1, 5), tmp_path / "net")
    assert (tmp_path / "net").read_bytes() == before


class TakesAnything(nn.Module):
    """As all networks of ultralytics do."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 1)

    def forward(self, x, *args, **kwargs):
        more = sum(args) if args else 0
        return self.other(self.one(x).relu()) + more


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_forward_with_any_number_of_arguments(tmp_path, count):
    torch.manual_seed(0)
    given = (torch.randn(2, 3, 8, 8), *(torch.randn(2, 4, 8, 8) for _ in range(count - 1)))
    written = write_onnx(TakesAnything(), given if count > 1 else given[0], tmp_path / "a.onnx")
    assert written.deviation < 1e-4


class Squeezed(Net):
    """torch leaves a dimension of more than one element alone; its exporter writes an operation that may not."""

    def forward(self, x):
        return super().forward(x).squeeze(1)


def test_a_graph_that_torch_wrote_wrong_says_so(tmp_path):
    with pytest.raises(InputError, match=r"Squeezed cannot be exported to ONNX.*contradicts itself"):
        write_onnx(Squeezed(), torch.randn(2, 1, 8, 8), tmp_path / "squeezed.onnx")


class Spectrum(nn.Module):
    """A layer with complex weights."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.head = nn.Parameter(torch.randn(5, dtype=torch.cfloat)), nn.Linear(8, 2)

    def forward(self, x):
        return self.head(torch.fft.irfft(torch.fft.rfft(x) * self.weight, n=8))


def test_complex_weights_are_written_by_their_two_parts(tmp_path):
    assert write_onnx(Spectrum(), torch.randn(2, 8), tmp_path / "a.onnx").deviation < 1e-5
