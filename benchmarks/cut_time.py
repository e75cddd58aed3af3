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
from prunus.graph import channel_groups, trace, wire
from prunus.graph.exporting import export
from prunus.surgery import plan, shrink
from prunus.surgery.amounts import costs_of
from prunus.surgery.choice import by_magnitude, choose, uniform
from prunus.surgery.removed import kept_after
from prunus.surgery.tensors import cut_tensors

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
    wiring, wiring_time = _timed(lambda: wire((graph,)))
    chosen, planning = _timed(lambda: _plan(model, wiring))
    _, cutting = _timed(lambda: cut_tensors(model, chosen))
    small, proving = _timed(lambda: shrink(model, chosen, x, wiring))
    kept = kept_after(wiring, chosen)
    _, counting = _timed(lambda: costs_of(model, small.model, x, wiring, kept))
    _, whole = _timed(lambda: prunus.prune_channels(model, x, RATE))
    there = importlib.util.find_spec("torch_pruning")
    peer = _torch_pruning(lambda: copy.deepcopy(model), x).get("seconds") if there else None
    ratio = f"; torch-pruning {peer:.2f} s, {whole / peer:.1f} times its time" if peer else ""
    return (
        f"planning and cutting {wiring_time + planning + cutting:.2f} s; tracing {tracing:.2f} (by torch.export "
        f"{exporting:.2f}), cutting and proving {proving:.2f}, counting {counting:.2f}; whole call {whole:.2f} s{ratio}"
    )


def _plan(model: torch.nn.Module, wiring: Any) -> Any:
    groups = channel_groups(wiring)
    scores = by_magnitude(model, [group for group in groups if group.protected is None])
    return plan(groups, choose(scores, uniform(scores, RATE), groups, 1, 1))


def _timed(call: Callable[[], T]) -> tuple[T, float]:
    began = time.process_time()
    result = call()
    return result, time.process_time() - began


if __name__ == "__main__":
    main()
