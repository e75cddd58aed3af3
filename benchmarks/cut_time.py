"""What one call of channel pruning spends its time on, beside torch-pruning in the same run.

    python benchmarks/cut_time.py                 # ResNet-50
    python benchmarks/cut_time.py resnet18 vgg11

Classifiers of torchvision at 224x224, random weights, 50 % of the channels, one thread; seconds of processor time.
torch-pruning is used as by default; it proves nothing and counts nothing. Without it, its column is empty.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import time
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torchvision
from zoo import _torch_pruning

import prunus
from prunus.channels import plan, shrink
from prunus.channels.pruning import costs_of
from prunus.channels.removed import kept_after
from prunus.channels.tensors import cut_tensors
from prunus.coupling import channel_groups, couple
from prunus.trace import trace
from prunus.trace.exporting import export

RATE = 0.5
T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=["resnet50"])
    torch.set_num_threads(1)
    for name in parser.parse_args().networks:
        torch.manual_seed(0)
        print(f"{name}: {_line(torchvision.models.get_model(name).eval(), torch.randn(1, 3, 224, 224))}", flush=True)


def _line(model: torch.nn.Module, x: torch.Tensor) -> str:
    graph, tracing = _timed(lambda: trace(model, x))  # the first call imports what the others use
    graph, tracing = _timed(lambda: trace(model, x))
    export(model, (x,), {}, False, "", (), False)
    _, exporting = _timed(lambda: export(model, (x,), {}, False, "", (), False))
    coupling, wiring_time = _timed(lambda: couple((graph,)))
    chosen, planning = _timed(lambda: _plan(coupling))
    _, cutting = _timed(lambda: cut_tensors(model, chosen))
    small, proving = _timed(lambda: shrink(model, chosen, x, coupling))
    kept = kept_after(coupling, chosen)
    _, counting = _timed(lambda: costs_of(model, small.model, x, coupling, kept))
    _, whole = _timed(lambda: prunus.prune_channels(model, x, RATE))
    there = importlib.util.find_spec("torch_pruning")
    peer = _torch_pruning(lambda: copy.deepcopy(model), x).get("seconds") if there else None
    ratio = f"; torch-pruning {peer:.2f} s, {whole / peer:.1f} times its time" if peer else ""
    return (
        f"planning and cutting {wiring_time + planning + cutting:.2f} s; tracing {tracing:.2f} (by torch.export "
        f"{exporting:.2f}), cutting and proving {proving:.2f}, counting {counting:.2f}; whole call {whole:.2f} s{ratio}"
    )


def _plan(coupling: Any) -> Any:
    groups = channel_groups(coupling)
    free = [group for group in groups if group.protected is None]
    return plan(groups, {group.name: range(group.units - round(RATE * group.units), group.units) for group in free})


def _timed(call: Callable[[], T]) -> tuple[T, float]:
    began = time.process_time()
    result = call()
    return result, time.process_time() - began


if __name__ == "__main__":
    main()
