"""Networks as users have them: wrapped, compiled, with computed weights and attributes that can't be copied."""

import tempfile
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from prunus.channels import load, masked, plan, save, shrink
from prunus.channels.by_name import prune_channels
from prunus.coupling import channel_groups
from prunus.errors import InputError
from prunus.trace.copying import exact_copy

X = torch.randn(2, 3, 12, 12)
Wrap = Callable[[nn.Module], nn.Module]


class Net(nn.Module):
    def __init__(self, wrap: Wrap = lambda module: module) -> None:
        super().__init__()
        self.one, self.two, self.head = wrap(nn.Conv2d(3, 16, 3)), wrap(nn.Conv2d(16, 16, 3)), nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.two(self.one(x).relu()).relu().mean((2, 3)))


def cut_twice(build: Callable[[], nn.Module], folder: Path, again: Callable[[], nn.Module] | None = None) -> None:
    """Prune, save and load, and prune what was pruned; again: another way to build the network from the file."""
    torch.manual_seed(0)
    once = prune_channels(build().eval(), X, 0.5)
    twice = prune_channels(once.model, X, 0.3)
    assert twice.report.macs.ratio < 0.9
    for number, pruned in enumerate((once, twice)):
        save(pruned.model, folder / f"{number}.safetensors")
        for each in (build, again or build):
            loaded = load(folder / f"{number}.safetensors", each)
            assert torch.equal(loaded.eval()(X), pruned.model(X))


def old_weight_norm(module: nn.Module) -> nn.Module:
    with pytest.warns(FutureWarning):
        return nn.utils.weight_norm(module)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "wrap",
    [
        old_weight_norm,
        nn.utils.spectral_norm,
        parametrizations.weight_norm,
        parametrizations.spectral_norm,
        lambda module: prune.l1_unstructured(module, "weight", 0.3),
        lambda module: prune.ln_structured(module, "weight", 0.3, n=2, dim=0),
    ],
)
def test_weights_that_are_computed_before_each_call_are_cut(wrap: Wrap, tmp_path: Path) -> None:
    cut_twice(lambda: Net(wrap), tmp_path)


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda net: torch.compile(net, backend="eager")])
def test_wrappers_are_taken_off(wrap: Wrap, tmp_path: Path) -> None:
    cut_twice(lambda: wrap(Net()), tmp_path, Net)
    save(wrap(prune_channels(Net().eval(), X, 0.5).model), tmp_path / "wrapped.safetensors")
    assert load(tmp_path / "wrapped.safetensors", Net)(X).shape == (2, 5)


def test_a_network_that_is_trained_in_parallel_is_pruned_by_itself(tmp_path: Path) -> None:
    store = tempfile.mktemp(dir=tmp_path)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
    try:
        cut_twice(lambda: nn.parallel.DistributedDataParallel(Net()), tmp_path, Net)
    finally:
        dist.destroy_process_group()


class Frozen(dict[str, Any]):
    """Settings that can be written once, as those of diffusers."""

    def __setitem__(self, *_: Any) -> None:
        raise Exception("frozen")

    update = clear = __setitem__  # type: ignore[assignment]


class Refusing:
    def __deepcopy__(self, memo: Any) -> None:
        raise RuntimeError("not to be copied")


@pytest.mark.parametrize(
    "make",
    [
        threading.Lock,
        threading.local,
        lambda: types,
        lambda: (number for number in range(3)),
        lambda: {"lock": threading.Lock()},
        lambda: types.SimpleNamespace(lock=threading.Lock()),
        lambda: Frozen(width=16),
        Refusing,
        lambda: torch.ones(3, requires_grad=True) * 2,
        lambda: [torch.ones(3, requires_grad=True) * 2],
    ],
)
def test_attributes_that_can_not_be_copied_are_no_obstacle(make: Callable[[], Any], tmp_path: Path) -> None:
    class Odd(Net):
        def __init__(self) -> None:
            super().__init__()
            self.extra = make()

    cut_twice(Odd, tmp_path)


def test_what_holds_tensors_and_can_not_be_copied_is_named() -> None:
    model = Net()
    model.extra = Frozen(table=torch.ones(3))  # type: ignore[assignment]
    with pytest.raises(InputError, match=r"type Frozen can't be copied\. Frozen\. It holds tensors"):
        exact_copy(model)


@pytest.mark.parametrize("make", [Refusing, types.SimpleNamespace])
def test_what_is_adapted_in_the_small_network_stays_in_the_whole_one(make: Callable[[], Any]) -> None:
    class Configured(Net):
        def __init__(self) -> None:
            super().__init__()
            self.config = make()
            self.config.width, self.config.lock = 16, threading.Lock()

        def forward(self, x: Tensor) -> Tensor:
            y = self.two(self.one(x).relu()).mean((2, 3))
            return self.head(y.reshape(-1, self.config.width // 4, 4).relu().reshape(-1, self.config.width))

    model = Configured().eval()
    expected = model(X)
    assert prune_channels(model, X, 0.5).report.macs.ratio < 0.6
    assert model.config.width == 16
    assert torch.equal(model(X), expected)


def test_a_copy_that_fails_leaves_no_half_copies() -> None:
    model = Net()
    inner = types.SimpleNamespace(number=1, lock=threading.Lock())
    model.first, model.second = [inner], inner  # type: ignore[assignment]
    twin = exact_copy(model)
    assert twin.second is twin.first[0]  # type: ignore[index]
    assert twin.second.number == 1


def test_the_same_number_may_count_different_things_in_one_forward() -> None:
    class Functional(Net):
        def forward(self, x: Tensor) -> Tensor:
            y = F.group_norm(self.one(x), 4).relu()
            return self.head(F.group_norm(self.two(y), 4).relu().mean((2, 3)))

    model = Functional().eval()
    groups = [group for group in channel_groups(model, X) if group.protected is None]
    assert [group.units for group in groups] == [4, 4]
    first, second = (group.name for group in groups)
    chosen = plan(groups, {first: [0, 1, 2], second: [1, 3]})
    assert not chosen.changes  # no module has these numbers
    small = shrink(model, chosen, X).model
    torch.testing.assert_close(small(X), masked(model, chosen, X)(X), rtol=1e-4, atol=1e-5)
    assert prune_channels(small, X, 0.5).report.form == "graph"


def test_torchscript_is_refused_as_what_it_is() -> None:
    with pytest.warns((FutureWarning, DeprecationWarning)):
        scripted = torch.jit.script(Net())
    with pytest.raises(InputError, match="compiled by TorchScript"):
        prune_channels(scripted, X, 0.5)
