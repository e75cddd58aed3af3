"""What a rewritten graph takes: what it was traced for, under the names of the user's own forward, and nothing else."""

import copy
import inspect
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunus.channels import Pruned, load, save
from prunus.channels.by_name import prune_channels
from prunus.channels.network import GraphNetwork
from prunus.errors import InputError
from prunus.graph.interface import CallError


class Net(nn.Module):
    """Its forward writes 4 and 8 down, and what else it does depends on its arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.o = nn.Linear(16, 32), nn.Linear(32, 4)
        self.config = {"width": 32}

    def forward(self, x: Tensor, scale: float = 2.0, *, mask: Tensor | None = None, flip: bool = False) -> Tensor:
        y = self.encode(x) * scale
        if mask is not None:
            y = y * mask[..., None]
        return -self.o(y) if flip else self.o(y)

    def encode(self, x: Tensor) -> Tensor:
        return self.q(x).reshape(x.shape[0], x.shape[1], 4, 8).relu().reshape(x.shape[0], x.shape[1], 32)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.o = nn.Linear(16, 32), nn.Linear(32, 4)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.o(self.q(a).reshape(-1, 4, 8).relu().reshape(-1, 32) - 2 * self.q(b))


X = torch.randn(2, 5, 16)


def pruned(example_inputs: Any, model: nn.Module | None = None) -> Pruned:
    torch.manual_seed(0)
    result = prune_channels(model or Net().eval(), example_inputs, 0.5)
    assert result.report.form == "graph"
    return result


def loaded(result: Pruned, folder: Path) -> GraphNetwork:
    """The network from its file, which knows nothing of the class."""
    save(result.model, folder / "small.safetensors")
    network = load(folder / "small.safetensors")
    assert isinstance(network, GraphNetwork)
    return network


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((X,), {"no_such_argument": 3}, "unexpected keyword argument 'no_such_argument'"),
        ((X, 2.0, None), {}, "Too many positional"),
        ((), {}, "Missing a required argument: 'x'"),
        ((X,), {"mask": torch.ones(2, 5)}, r"mask is a tensor of shape \(2, 5\)\. It was traced with None"),
        ((X, 3.0), {}, r"scale is 3\.0\. It was traced with 2\.0"),
        ((X, 2), {}, r"scale is 2\. It was traced with 2\.0"),
        ((X,), {"flip": True}, "flip is True"),
        ((X[:, :1],), {}, "Dimension 1 of x is 1. It was traced with 5"),
        ((torch.randn(2, 7, 16),), {}, "Dimension 1 of x is 7"),
        ((X[0],), {}, "x has 2 dimensions"),
        ((X.long(),), {}, "x is of type int64"),
        ((X.half(),), {}, "x is of type float16"),
        (([X],), {}, "x is an object of type list"),
        ((None,), {}, "x is None. It was traced with a tensor"),
    ],
)
def test_what_was_not_traced_is_refused(
    args: tuple[Any, ...], kwargs: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(CallError, match=message):
        loaded(pruned(X), tmp_path)(*args, **kwargs)


def test_defaults_and_names_are_those_of_the_class(tmp_path: Path) -> None:
    result = pruned(X)
    for network in (result.model, loaded(result, tmp_path)):
        assert str(inspect.signature(network.forward)) == "(x, scale=2.0, *, mask=None, flip=False)"
        expected = network(X)
        assert torch.equal(network(x=X, scale=2.0), expected)
        assert torch.equal(network(X, 2.0, mask=None, flip=False), expected)
        assert network(torch.randn(7, 5, 16)).shape == (7, 5, 4)


def test_arguments_go_by_their_names_and_not_by_the_order_of_the_example(tmp_path: Path) -> None:
    a, b = torch.randn(3, 16), torch.randn(3, 16)
    result = pruned({"b": b, "a": a}, Two().eval())
    for network in (result.model, loaded(result, tmp_path)):
        assert torch.equal(network(a, b), network(b=b, a=a))
        assert not torch.equal(network(a, b), network(b, a))


def test_batches_that_were_equal_stay_equal(tmp_path: Path) -> None:
    network = loaded(pruned((torch.randn(3, 16), torch.randn(3, 16)), Two().eval()), tmp_path)
    assert network(torch.randn(5, 16), torch.randn(5, 16)).shape == (5, 4)
    with pytest.raises(CallError, match="The batch of b is 1, and that of a is 5"):
        network(torch.randn(5, 16), torch.randn(1, 16))


def test_nested_arguments_are_compared_leaf_by_leaf(tmp_path: Path) -> None:
    class Nested(Two):
        def forward(self, pair: dict[str, Any], how: tuple[int, str] = (1, "mean")) -> Tensor:
            y = super().forward(pair["a"], pair["rest"][0]) * how[0]
            return y.mean(0) if how[1] == "mean" else y.sum(0)

    a, b = torch.randn(3, 16), torch.randn(3, 16)
    result = pruned({"pair": {"a": a, "rest": [b]}}, Nested().eval())
    network = loaded(result, tmp_path)
    assert torch.equal(network({"rest": [b], "a": a}), result.model({"a": a, "rest": [b]}))
    for wrong, message in (
        (({"a": a, "rest": [b, b]},), r"pair\['rest'\] holds 0, 1\. It was traced with 0"),
        (({"a": a},), r"pair holds a\. It was traced with a, rest"),
        (({"a": a, "rest": [b]}, (1, "sum")), r"how\[1\] is 'sum'\. It was traced with 'mean'"),
    ):
        with pytest.raises(CallError, match=message):
            network(*wrong)


def test_sizes_that_are_fixed_are_reported_and_saved(tmp_path: Path) -> None:
    result = pruned(X)
    assert list(map(str, result.report.fixed_sizes)) == ["dimension 1 of x is 5", "dimension 2 of x is 16"]
    assert "dimension 1 of x is 5" in str(result.report)
    assert loaded(result, tmp_path).interface.fixed() == result.report.fixed_sizes


def test_methods_that_are_lost_are_named(tmp_path: Path) -> None:
    result = pruned(X)
    assert result.report.lost == ("encode",)
    assert "lost: encode" in str(result.report)
    for network in (result.model, loaded(result, tmp_path)):
        assert not hasattr(network, "encode")
        with pytest.raises(InputError, match=r"Net\.encode was lost"):
            network.encode(X)
        with pytest.raises(InputError, match=r"Net\.config was lost"):
            _ = network.config
        with pytest.raises(InputError, match=r"Net\.config was lost"):
            network.config = {}
        with pytest.raises(AttributeError, match="no_such_name"):
            _ = network.no_such_name
        with pytest.raises(InputError, match="part of a network"):
            network.get_submodule("q")(X)


def test_a_default_that_a_file_can_not_hold_is_the_only_value_that_it_takes(tmp_path: Path) -> None:
    class Unwritable(Net):
        def forward(self, x: Tensor, hook: Any = len) -> Tensor:
            return super().forward(x) * hook([1])

    result = pruned(X, Unwritable().eval())
    network = loaded(result, tmp_path)
    assert torch.equal(network(X), result.model(X))
    with pytest.raises(CallError, match="hook is an object"):
        network(X, hook=sum)


@pytest.mark.filterwarnings("ignore:Dynamo detected a call to")
def test_copies_and_compiled_networks_compute_the_same() -> None:
    network = pruned(X).model.eval()
    expected = network(X)
    for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(twin(X), expected)
    with torch.no_grad():
        assert torch.allclose(torch.compile(network, backend="eager")(X), expected)
        exported = torch.export.export(
            network, (X,), dynamic_shapes={"x": {0: torch.export.Dim("batch")}}, strict=False
        )
    assert exported.module()(torch.randn(3, 5, 16)).shape == (3, 5, 4)
