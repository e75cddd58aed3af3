import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from prunus.channels import load, plan, save, shrink
from prunus.channels.by_name import prune_channels
from prunus.channels.graph_json import graph_from_json, graph_to_json
from prunus.channels.mask import tensors_of
from prunus.channels.network import GraphNetwork
from prunus.coupling import channel_groups
from prunus.errors import InputError
from prunus.trace.trace import trace

X = torch.randn(2, 1, 6, 6)


def build() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))


class Written(nn.Module):
    """Its forward writes the number of features down, where no attribute explains it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 4, 3), nn.Linear(64, 2)
        self.conv.bias = None

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"logits": self.head(self.conv(x).reshape(-1, 64)), "input": x}


def small(make: Callable[[], nn.Module]) -> nn.Module:
    model = make().eval()
    group = channel_groups(model, X)[0]
    return shrink(model, plan([group], {group.name: [1, 2]}), X).model


@pytest.mark.parametrize("make", [build, Written])
def test_a_saved_model_computes_the_same(make: Callable[[], nn.Module], tmp_path: Path) -> None:
    model = small(make)
    save(model, tmp_path / "small.safetensors")
    again = load(tmp_path / "small.safetensors", make)
    result, expected = (m(X) if make is build else m(X)["logits"] for m in (again, model))
    assert torch.equal(result, expected)
    save(again, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "small.safetensors").read_bytes()


def test_a_rewritten_graph_needs_no_class(tmp_path: Path) -> None:
    model = small(Written)
    assert isinstance(model, GraphNetwork)
    save(model, tmp_path / "small.safetensors")
    again = load(tmp_path / "small.safetensors")
    assert torch.equal(again(X[:1])["logits"], model(X[:1])["logits"])
    assert all(p.requires_grad for p in again.parameters())


@pytest.mark.parametrize("make", [build, Written])
def test_frozen_parameters_are_frozen_again(make: Callable[[], nn.Module], tmp_path: Path) -> None:
    model = make().eval()
    first = next(iter(model.children()))
    first.weight.requires_grad_(False)
    group = channel_groups(model, X)[0]
    cut = shrink(model, plan([group], {group.name: [1, 2]}), X).model
    save(cut, tmp_path / "small.safetensors")
    again = load(tmp_path / "small.safetensors", make)
    trains = {name: parameter.requires_grad for name, parameter in again.named_parameters()}
    assert trains == {name: parameter.requires_grad for name, parameter in cut.named_parameters()}
    assert sorted(trains.values()) == [False] + [True] * (len(trains) - 1)


def test_a_class_needs_its_builder(tmp_path: Path) -> None:
    save(small(build), tmp_path / "small.safetensors")
    with pytest.raises(InputError, match="function that makes Sequential"):
        load(tmp_path / "small.safetensors")


def test_another_class_is_refused(tmp_path: Path) -> None:
    save(small(build), tmp_path / "small.safetensors")
    with pytest.raises(InputError, match=r"no tensor '0\.weight'"):
        load(tmp_path / "small.safetensors", lambda: nn.Sequential(nn.ReLU()))
    with pytest.raises(InputError, match="shape"):
        load(tmp_path / "small.safetensors", lambda: nn.Sequential(nn.Conv2d(1, 3, 3)))


def _tampered(path: Path, change: Callable[[dict[str, object]], None]) -> Path:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["prunus"])
    change(header)
    save_file(load_file(path), path, {"prunus": json.dumps(header)})
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h.update(version=99), "version 99"),
        (lambda h: h["graph"]["nodes"][0].update(op="aten.from_file.default"), "not allowed"),
        (lambda h: h["graph"]["nodes"][0].update(op="os.system"), "not allowed"),
        (lambda h: h["graph"]["nodes"][0].update(args={"ref": "nowhere"}), "before it is made"),
        (lambda h: h["graph"]["nodes"][0].update(args={"eval": "1"}), "can't be read"),
        (lambda h: h["tensors"].popitem(), "not those that its header lists"),
        (lambda h: h.update(surprise=1), "can't be read"),
        (lambda h: h["graph"].update(output_structure={"list": ["*"]}), "outputs are not those"),
        (lambda h: h["graph"]["interface"].update(batch=[["nowhere", 0]]), "inputs are not those"),
        (lambda h: h["graph"]["interface"].update(batch=[["input", 9]]), "inputs are not those"),
        (lambda h: h["graph"]["interface"].update(types={}), "inputs are not those"),
        (lambda h: h["graph"]["interface"]["types"].update(input=[[2, -1], {"dtype": "float32"}]), "can't be read"),
        (lambda h: h["graph"]["interface"]["types"].update(input=[[2, 1], {"dtype": "load"}]), "can't be read"),
        (lambda h: h["graph"]["interface"].update(parameters=[]), "inputs are not those"),
        (lambda h: h["graph"]["interface"]["parameters"][0].update(name="x, y=exit()"), "can't be read"),
        (lambda h: h["graph"]["interface"]["parameters"][0].pop("traced"), "can't be read"),
        (lambda h: h["graph"]["interface"]["parameters"].append({"name": "y", "kind": "NEW"}), "can't be read"),
    ],
)
def test_a_tampered_file_is_refused(change: Callable[[dict[str, object]], None], message: str, tmp_path: Path) -> None:
    save(small(Written), tmp_path / "small.safetensors")
    with pytest.raises(InputError, match=message):
        load(_tampered(tmp_path / "small.safetensors", change))


@pytest.mark.parametrize("content", [b"", b"garbage" * 100, (2**62).to_bytes(8, "little") + b"{}"])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a safetensors file"):
        load(path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    save(small(build), path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="not a safetensors file"):
        load(path, build)


def test_a_pickle_is_not_read(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "model.pt")
    with pytest.raises(InputError, match="not a safetensors file"):
        load(tmp_path / "model.pt")


def test_a_model_that_was_not_cut_can_be_saved_as_well(tmp_path: Path) -> None:
    model = build().eval()
    save(model, tmp_path / "whole.safetensors")
    assert torch.equal(load(tmp_path / "whole.safetensors", build)(X), model(X))


def test_a_model_that_was_cut_again_is_built_from_the_whole_one(tmp_path: Path) -> None:
    once = prune_channels(build(), X, 0.3).model
    twice = prune_channels(once, X, 0.4).model
    save(twice, tmp_path / "twice.safetensors")
    assert torch.equal(load(tmp_path / "twice.safetensors", build)(X), twice(X))


def test_an_operation_of_another_library_that_is_executed_is_read_again() -> None:
    pytest.importorskip("transformers.integrations.moe")

    class Grouped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(2, 3, 4))
            self.register_buffer("ends", torch.tensor([1, 3], dtype=torch.int32))

        def forward(self, x: Tensor) -> Tensor:
            return torch.ops.transformers.grouped_mm_fallback(x, self.weight, self.ends)

    model, x = Grouped().eval(), torch.randn(3, 3)
    graph = trace(model, x)
    assert "transformers.grouped_mm_fallback.default" in [node.op for node in graph.nodes]
    again = GraphNetwork(graph_from_json(graph_to_json(graph), graph.tensors.values), tensors_of(model, graph))
    assert torch.equal(again(x), model(x))
