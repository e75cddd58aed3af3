"""How much faster networks with zeros in their weights run: prunus beside ONNX Runtime and torch, on the same file.

    python benchmarks/sparse_runtime.py                                  # VGG11 and ResNet-18, batches 1 and 64
    python benchmarks/sparse_runtime.py resnet50 --batch 1,16 --sparsity 0,0.8,0.9,0.95 --threads 2

Weights are random, pruned by magnitude, the same share in every layer but the last. The three are timed in interleaved
rounds of one process; medians are printed, and the time of each other runtime divided by that of prunus. ONNX Runtime's
threads stop spinning at the end of each run, so that they do not burn the cores while another runtime is timed.
With `--explain` every layer is listed: effective GFLOP/s count all multiplications, zeros included.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

import prunus.sparse
from prunus import build_model, write_onnx
from prunus.measure.runtimes.onnx_runtime import OnnxRuntime
from prunus.measure.variant import Variant
from prunus.spec import Part


def vgg11() -> nn.Module:
    return build_model(Part(name="vgg11"), (3, 32, 32), 10)


def resnet18() -> nn.Module:
    """With a 3x3 stem and no max-pool, as for images of 32 pixels."""
    from torchvision.models import resnet18

    model = resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    model.maxpool = nn.Identity()  # type: ignore[assignment]
    return model


def resnet50() -> nn.Module:
    from torchvision.models import resnet50

    return resnet50()


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int, str]] = {  # builder, pixels, default batches
    "vgg11": (vgg11, 32, "1,64"),
    "resnet18": (resnet18, 32, "1,64"),
    "resnet50": (resnet50, 224, "1,16"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=["vgg11", "resnet18"])
    parser.add_argument("--batch", default="")
    parser.add_argument("--sparsity", default="0,0.8,0.9,0.95")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--explain", action="store_true", help="every layer: kernel, dense and sparse time, GFLOP/s")
    options = parser.parse_args()
    print("| network | batch | threads | sparsity | prunus ms | ONNX Runtime ms | torch ms | ratio | over torch |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in options.networks:
        for batch in _numbers(options.batch or NETWORKS[name][2], int):
            for threads in _numbers(options.threads, int):
                for sparsity in _numbers(options.sparsity, float):
                    _cell(name, batch, threads, sparsity, options)


def _numbers(text: str, kind: Callable[[str], Any]) -> list[Any]:
    return [kind(value) for value in text.split(",")]


def _cell(name: str, batch: int, threads: int, sparsity: float, options: argparse.Namespace) -> None:
    build, pixels, _ = NETWORKS[name]
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    model = prune(build().eval(), sparsity)
    images = torch.randn(batch, 3, pixels, pixels)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_onnx(model, images[:1], path)
        engine = prunus.sparse.from_onnx(path, batch=batch, threads=threads)
        given = images.numpy()
        dense = OnnxRuntime().load(Variant(input_shape=(3, pixels, pixels), files={"onnx": path}), given, threads)
        with torch.inference_mode():
            times = interleaved([lambda: engine.run(given), dense, lambda: model(images)], options.rounds)
    ours, onnx, eager = (1e3 * statistics.median(samples) for samples in times)
    measured = f"{ours:.2f} | {onnx:.2f} | {eager:.2f} | {onnx / ours:.2f} | {eager / ours:.2f}"
    print(f"| {name} | {batch} | {threads} | {sparsity} | {measured} |", flush=True)
    if options.explain:
        print(engine.explain())


def prune(model: nn.Module, sparsity: float) -> nn.Module:
    """Zero so large a share of each layer's smallest weights, but for the last layer."""
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        for layer in layers[:-1]:
            count = int(layer.weight.numel() * sparsity)
            if count:
                largest = layer.weight.abs().flatten().kthvalue(count).values
                layer.weight.mul_(layer.weight.abs() > largest)
    return model


def interleaved(runs: list[Callable[[], Any]], rounds: int) -> list[list[float]]:
    """Seconds of each, round by round; each is warmed up by two runs that do not count."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, samples in zip(runs, times, strict=True):
            run()
            run()
            start = time.perf_counter()
            run()
            samples.append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    main()
