"""Calls that a rewritten graph was not traced for, answered as the masked network of the user's own class does."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import prunus
from prunus.channels import Pruned, load, masked, save
from prunus.channels.by_name import prune_channels
from prunus.channels.network import GraphNetwork
from prunus.errors import InputError
from prunus.graph.interface import CallError


class Branches(nn.Module):
    """Its forward writes 4 and 8 down, reads a table, and goes another way for flags, masks and short sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.o, self.side = nn.Linear(16, 32), nn.Linear(32, 4), nn.Linear(4, 4)
        self.scales = torch.linspace(0.5, 1.5, 32)

    def forward(self, x: Tensor, mask: Tensor | None = None, scale: float = 2.0, flip: bool = False) -> Tensor:
        y = self.q(x).reshape(*x.shape[:-1], 4, 8).relu().reshape(*x.shape[:-1], 32) * scale
        if x.shape[1] > 6:
            y = y * torch.tensor([2.0]) - y.mean(1, keepdim=True)
        if mask is not None:
            y = y * mask[..., None] if mask.is_floating_point() else y.masked_fill(~mask[..., None], 0.0) * self.scales
        if x.shape[0] == 1:
            y = y + 1
        return self.side(-self.o(y)) if flip else self.o(y)


class Loop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.o = nn.Linear(16, 32), nn.Linear(32, 32), nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        out, state = [], torch.zeros(x.shape[0], 32)
        for i in range(x.shape[1]):
            state = torch.tanh(self.a(x[:, i]) + self.b(state))
            out.append(self.o(state))
        return torch.stack(out, 1)


X = torch.randn(2, 5, 16)
MASK = torch.tensor([[1.0, 1, 0, 0, 0], [1, 1, 1, 1, 0]])
CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((X,), {}),
    ((X[:1],), {}),
    ((X[:, :1],), {}),
    ((torch.randn(2, 9, 16),), {}),
    ((torch.randn(3, 2, 5, 16),), {}),
    ((X, MASK), {}),
    ((X,), {"mask": MASK.bool()}),
    ((X, None, 3.0), {}),
    ((X,), {"flip": True}),
    ((torch.randn(1, 8, 16), torch.ones(1, 8).bool(), -1.0, True), {}),
]


def pruned(model: nn.Module) -> Pruned:
    result = prune_channels(model.eval(), X, 0.5)
    assert (result.report.form, result.report.retraced) == ("graph", True)
    return result


def assert_same(network: nn.Module, reference: nn.Module, calls: list[tuple[tuple[Any, ...], dict[str, Any]]]) -> None:
    for args, kwargs in calls:
        torch.testing.assert_close(network(*args, **kwargs), reference(*args, **kwargs), rtol=1e-4, atol=1e-5)


def test_other_paths_are_those_of_the_class(tmp_path: Path) -> None:
    model = Branches()
    result = pruned(model)
    reference = masked(model, result.plan)
    assert_same(result.model, reference, CALLS)
    assert_same(copy.deepcopy(result.model), reference, CALLS)
    save(result.model, tmp_path / "small.safetensors")
    assert_same(load(tmp_path / "small.safetensors", Branches), reference, CALLS)
    alone = load(tmp_path / "small.safetensors")
    assert_same(alone, reference, CALLS[:1])
    for args, kwargs in CALLS[1:]:
        with pytest.raises(CallError, match="Branches was rewritten as a graph"):
            alone(*args, **kwargs)


def test_a_loop_over_a_sequence_runs_as_long_as_that_is(tmp_path: Path) -> None:
    model = Loop()
    result = pruned(model)
    calls: Any = [((torch.randn(3, length, 16),), {}) for length in (1, 5, 8)]
    assert_same(result.model, masked(model, result.plan), calls)
    save(result.model, tmp_path / "small.safetensors")
    assert_same(load(tmp_path / "small.safetensors", Loop), masked(model, result.plan), calls)


def test_a_network_that_was_cut_twice_takes_other_calls_as_well(tmp_path: Path) -> None:
    model = Branches()
    once = pruned(model)
    twice = prune_channels(once.model, X, 0.5)
    assert twice.report.lost == once.report.lost
    once_more = prune_channels(twice.model, X, 0.5)
    reference = masked(once.model, twice.plan)
    calls = [CALLS[0], *CALLS[2:]]
    assert_same(twice.model, reference, calls)
    save(twice.model, tmp_path / "twice.safetensors")
    assert_same(load(tmp_path / "twice.safetensors", Branches), reference, calls)
    assert_same(once_more.model, masked(twice.model, once_more.plan), calls)


def test_other_precisions_are_traced_as_such() -> None:
    class Precise(Branches):
        def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            least = torch.finfo(x.dtype).min  # a number that half precision has not
            return super().forward(x, *args, **kwargs).clamp(min=least) + torch.zeros(4, dtype=x.dtype)

    model = Precise()
    result = pruned(model)
    reference = masked(model, result.plan)
    for dtype in (torch.bfloat16, torch.float64):
        network, other = result.model.to(dtype), reference.to(dtype)
        found, expected = network(X.to(dtype)), other(X.to(dtype))
        assert found.dtype == expected.dtype == dtype
        torch.testing.assert_close(found, expected, rtol=3e-2, atol=3e-2)
    network = result.model.float()
    assert network(X).dtype == torch.float32


def test_a_graph_that_names_a_precision_keeps_it_without_its_class(tmp_path: Path) -> None:
    class Named(Branches):
        def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
            return super().forward(x).to(torch.float32)

    save(pruned(Named()).model, tmp_path / "small.safetensors")
    with pytest.raises(CallError, match="tensors are of another type"):
        load(tmp_path / "small.safetensors").bfloat16()(X.bfloat16())


def test_hidden_states_are_not_returned_with_fewer_channels() -> None:
    class Telling(Branches):
        def forward(self, x: Tensor, hidden: bool = False) -> tuple[Tensor, ...]:  # type: ignore[override]
            y = self.q(x).reshape(*x.shape[:-1], 4, 8).relu().reshape(*x.shape[:-1], 32)
            return (self.o(y), y) if hidden else (self.o(y),)

    with pytest.raises(CallError, match="This call returns channels that were removed"):
        pruned(Telling()).model(X, hidden=True)


class Detector(nn.Module):
    """Returns features in training mode, and what it makes of them in evaluation mode, as detectors do."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.norm, self.leave = nn.Linear(16, 32), nn.BatchNorm1d(32), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        y = self.norm(self.enter(x).reshape(len(x), 4, 8).relu().reshape(len(x), 32))
        found = self.leave(y)
        return [found, found * 2] if self.training else found.softmax(-1)


def test_in_training_mode_the_graph_returns_what_the_class_returns_then(tmp_path: Path) -> None:
    model, x = Detector().eval(), torch.randn(6, 16)
    pruned = prune_channels(model, x, 0.5)
    assert pruned.report.form == "graph"
    assert {way.name: way.outcome for way in pruned.report.ways}["in training mode"] == "agrees"
    expected = masked(model, pruned.plan, x).train()(x)
    found = pruned.model.train()(x)
    assert isinstance(found, list)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(expected, found, strict=True))
    found[0].sum().backward()
    assert pruned.model.get_parameter("enter.weight").grad is not None
    assert pruned.model.get_buffer("norm.running_mean").any()

    save(pruned.model, tmp_path / "small.safetensors")
    alone, again = (load(tmp_path / "small.safetensors", build) for build in (None, Detector))
    assert torch.equal(again.train()(x)[1], found[1])
    assert torch.equal(alone.eval()(x), pruned.model.eval()(x))
    with pytest.raises(CallError, match=r"it is in training mode\. The class returns something else then"):
        alone.train()(x)


class Stateful(nn.Module):
    """Returns states beside its result, with a size written into its forward where it must become a graph."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.mid, self.leave = nn.Linear(16, 32), nn.Linear(32, 32), nn.Linear(32, 4)

    def forward(self, x: Tensor, all_states: bool = False) -> dict[str, Any]:
        first = self.enter(x).relu() + x.new_zeros(32)
        last = self.mid(first).relu()
        return {"logits": self.leave(last), "states": (first, last) if all_states else (first,)}


def test_outputs_that_were_narrowed_on_purpose_are_so_in_other_calls_and_cuts(tmp_path: Path) -> None:
    model = Stateful().eval()
    once = prune_channels(model, X, 0.5, outputs="logits")
    assert once.report.form == "graph"
    assert [way.outcome for way in once.report.ways] == ["agrees"] * len(once.report.ways)
    longer = torch.randn(2, 9, 16)
    assert once.model(longer)["states"][0].shape == (2, 9, 16)
    with pytest.raises(CallError, match=r"returns channels that were removed, in 'states\.1'"):
        once.model(X, all_states=True)

    save(once.model, tmp_path / "once.safetensors")
    twice = prune_channels(load(tmp_path / "once.safetensors", Stateful), X, 0.5, outputs="logits")
    assert [(str(each)) for each in twice.report.changed_outputs] == ["states.0 from (2, 5, 16) to (2, 5, 8)"]
    save(twice.model, tmp_path / "twice.safetensors")
    again = load(tmp_path / "twice.safetensors", Stateful)
    assert torch.equal(again(longer)["logits"], twice.model(longer)["logits"])
    assert again(longer)["states"][0].shape == (2, 9, 8)
    assert prunus.write_onnx(again, X, tmp_path / "twice.onnx").deviation < 1e-5


def test_what_the_class_itself_refuses_is_told() -> None:
    network = pruned(Branches()).model
    with pytest.raises(CallError, match=r"Dimension 2 of x is 17\. It was traced with 16.*tracing it anew.*failed"):
        network(torch.randn(2, 5, 17))
    with pytest.raises(CallError, match="unexpected keyword argument 'masks'"):
        network(X, masks=MASK)


def test_another_class_than_that_of_the_file_is_refused(tmp_path: Path) -> None:
    save(pruned(Branches()).model, tmp_path / "small.safetensors")
    with pytest.raises(InputError, match=r"'o\.bias' in"):
        load(tmp_path / "small.safetensors", Loop)

    class Wider(Branches):
        def __init__(self) -> None:
            super().__init__()
            self.o = nn.Linear(32, 5)

    with pytest.raises(InputError, match=r"'o\.bias' in .* has the shape \(4,\)"):
        load(tmp_path / "small.safetensors", Wider)


def test_a_graph_goes_where_its_tensors_go() -> None:
    network = pruned(Loop()).model
    assert isinstance(network, GraphNetwork)
    moved = network.to("meta")  # the zeros that the loop begins with are written with their device
    assert moved(X.to("meta")).is_meta


class SomeCache:
    """As that of transformers: an object, no container."""

    def __init__(self, keys: Tensor) -> None:
        self.keys = keys


@dataclass
class Told:
    logits: Tensor
    past_key_values: SomeCache | None = None


class GivesCache(Branches):
    """It has no `generate`, and gives a cache where it is asked to, or by default."""

    def __init__(self, by_default: bool) -> None:
        super().__init__()
        self.by_default = by_default

    def forward(self, x: Tensor, keep: bool | None = None) -> Told:
        keep = self.by_default if keep is None else keep
        return Told(super().forward(x), SomeCache(x) if keep else None)


def test_a_cache_that_the_class_would_return_is_refused_not_dropped():
    cut = prune_channels(GivesCache(False).eval(), X, 0.5, protect=("output",))
    assert cut.report.form == "graph"
    assert "cache" not in str(cut.report)
    longer = torch.randn(2, 9, 16)
    assert cut.model(longer)["past_key_values"] is None
    with pytest.raises(CallError, match=r"a cache as 'past_key_values' then.*no cache"):
        cut.model(X, keep=True)


def test_a_cache_that_the_class_returns_by_default_is_said_to_be_missing(tmp_path: Path):
    cut = prune_channels(GivesCache(True).eval(), X, 0.5, protect=("output",))
    assert "returns no cache of keys and values, but None, as: past_key_values" in str(cut.report)
    assert cut.report.caches == ("past_key_values",)
    longer = torch.randn(2, 9, 16)
    assert cut.model(longer)["logits"].shape == (2, 9, 4)
    save(cut.model, tmp_path / "cut.safetensors")
    assert load(tmp_path / "cut.safetensors").interface.caches == ("past_key_values",)


class Cached(Branches):
    """It takes what a text model takes that gives a cache of keys and values if asked to."""

    def forward(self, x: Tensor, use_cache: bool | None = None, **_: Any) -> Tensor:
        return super().forward(x)

    def generate(self) -> None:
        """Beside what a graph holds."""


@pytest.mark.parametrize("example", [{"x": X}, {"x": X, "use_cache": True}])
def test_a_cache_is_refused_unless_the_example_asks_for_it_too(example: dict[str, Any]):
    asks = "use_cache" in example
    cut = prune_channels(Cached().eval(), example, 0.5, protect=("output",))
    assert cut.report.form == "graph"
    longer = torch.randn(2, 9, 16)
    assert cut.model(x=longer).shape == cut.model(longer, use_cache=False).shape == (2, 9, 4)
    for args, kwargs in (((X, True), {}), ((), {"x": X, "use_cache": True}), ((longer,), {"use_cache": True})):
        if asks:
            cut.model(*args, **kwargs)
        else:
            with pytest.raises(CallError, match="no cache"):
                cut.model(*args, **kwargs)
