import struct

import pytest
import torch
from hypothesis import given, settings, strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from prunus.channels.by_name import prune_channels
from prunus.errors import InputError
from prunus.export import load_weights, read_network, write_safetensors


class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).mean((2, 3)))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embedding.weight
        self.register_buffer("first_rows", self.embedding.weight.detach()[:2])


def test_there_and_back(tmp_path):
    model, other = Net(), Net()
    model.norm.num_batches_tracked.fill_(7)
    model.head.weight.data[0, 0] = float("nan")
    written = write_safetensors(model, str(tmp_path / "deep" / "net.safetensors"))
    assert (written.format, written.deviation, written.size_bytes) == ("safetensors", 0.0, written.path.stat().st_size)
    load_weights(other, str(written.path))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor.nan_to_num(9.0), other.state_dict()[name].nan_to_num(9.0))
    assert set(load_file(written.path)) == set(model.state_dict()), "names are kept for any other reader"


def test_same_weights_same_bytes(tmp_path):
    model = Tied()
    first, second = (write_safetensors(model, tmp_path / name) for name in "ab")
    assert first.sha256 == second.sha256
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_shared_tensors_are_stored_once_and_stay_shared(tmp_path):
    model, other = Tied(), Tied()
    path = write_safetensors(model, tmp_path / "tied").path
    with safe_open(path, framework="pt") as file:
        assert set(file.keys()) == {"embedding.weight", "first_rows"}
    load_weights(other, path)
    assert torch.equal(other.head.weight, model.embedding.weight)
    assert other.head.weight is other.embedding.weight
    assert torch.equal(other.first_rows, model.embedding.weight[:2])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_types(tmp_path, dtype):
    model, other = Net().to(dtype), Net().to(dtype)
    load_weights(other, write_safetensors(model, tmp_path / "net").path)
    assert torch.equal(model.conv.weight, other.conv.weight)


def test_channels_last_weights_come_back(tmp_path):
    model, other = Net().to(memory_format=torch.channels_last), Net()
    load_weights(other, write_safetensors(model, tmp_path / "net").path)
    assert torch.equal(model.conv.weight, other.conv.weight)


def unchanged_after(model, path, message="."):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(InputError, match=f"(?i){message}") as raised:
        load_weights(model, path)
    assert str(path) in str(raised.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("head.bias"), r"the file has no 'head.bias'"),
        (lambda t: t.update(extra=torch.zeros(1)), "the network has no 'extra'"),
        (
            lambda t: t.update({"conv.weight": torch.zeros(4, 1, 3, 3)}),
            "is float32 4x1x3x3 in the file and float32 3x1x3x3",
        ),
        (
            lambda t: t.update({"norm.num_batches_tracked": torch.zeros(())}),
            "is float32 alone in the file and int64 alone",
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, change, message):
    tensors = {name: tensor.clone() for name, tensor in Net().state_dict().items()}
    change(tensors)
    save_file(tensors, tmp_path / "other")
    unchanged_after(Net(), tmp_path / "other", message)


@pytest.mark.parametrize("names", [("embedding.weight",), ("head.weight",), ("embedding.weight", "head.weight")])
def test_files_of_other_programs_hold_a_shared_tensor_under_any_of_its_names(tmp_path, names):
    weight = torch.randn(5, 4)
    save_file({**{name: weight.clone() for name in names}, "first_rows": weight[:2].clone()}, tmp_path / "other")
    model = Tied()
    load_weights(model, tmp_path / "other")
    assert torch.equal(model.head.weight, weight)


def test_a_shrunk_network_is_read_back_from_its_file(tmp_path):
    torch.manual_seed(0)
    model, image = Net(width=60).eval(), torch.randn(2, 1, 8, 8)
    small = prune_channels(model, image, 0.5).model
    path = write_safetensors(small, tmp_path / "small").path
    back = read_network(path, lambda: Net(width=60)).eval()
    with torch.no_grad():
        assert torch.equal(back(image), small(image))
    assert back.conv.weight.shape == (30, 1, 3, 3)
    assert path.stat().st_size < write_safetensors(model, tmp_path / "large").size_bytes


def test_a_plain_file_needs_a_way_to_build_the_network(tmp_path):
    save_file(Net().state_dict(), tmp_path / "plain")
    assert isinstance(read_network(tmp_path / "plain", Net), Net)
    with pytest.raises(InputError, match="holds weights alone"):
        read_network(tmp_path / "plain", None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 8,
        b"PK\x03\x04" + bytes(100),
        b"\x80\x04\x95cos\nsystem\n",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 2) + b"\xff\xfe",
    ],
    ids=["empty", "zeros", "zip", "pickle", "huge", "list", "no text"],
)
def test_hostile_files_are_one_clear_error(tmp_path, content):
    (tmp_path / "bad").write_bytes(content)
    unchanged_after(Net(), tmp_path / "bad")


def test_a_missing_file(tmp_path):
    unchanged_after(Net(), tmp_path / "none", "check that it is there")


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_a_cut_or_flipped_file_never_loads_wrong_shapes(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("cut")
    content = write_safetensors(Net(), folder / "net").path.read_bytes()
    if data.draw(st.booleans()):
        damaged = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        place = data.draw(st.integers(0, 200))
        damaged = content[:place] + bytes([content[place] ^ data.draw(st.integers(1, 255))]) + content[place + 1 :]
    (folder / "net").write_bytes(damaged)
    model = Net()
    shapes = {name: (tensor.shape, tensor.dtype) for name, tensor in model.state_dict().items()}
    try:
        load_weights(model, folder / "net")
    except InputError:
        pass
    else:
        assert len(damaged) == len(content), "a part of a file is never enough"
    assert shapes == {name: (tensor.shape, tensor.dtype) for name, tensor in model.state_dict().items()}
