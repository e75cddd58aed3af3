"""How much faster networks with zeros in their weights run: prunus beside ONNX Runtime and torch, on the same file.

    python benchmarks/sparse_runtime.py                                  # VGG11 and ResNet-18, batches 1 and 64
    python benchmarks/sparse_runtime.py resnet50 --batch 1,16 --sparsity 0,0.8,0.9,0.95 --threads 2
    python benchmarks/sparse_runtime.py torchvision:densenet121 --batch 1 --threads 1,2

Weights are random, pruned by magnitude, the same share in every layer but the last. The three are timed in interleaved
rounds of one process; medians are printed, and the time of each other runtime divided by that of prunus. ONNX Runtime's
threads stop spinning at the end of each run, so that they do not burn the cores while another runtime is timed.
Effective GFLOP/s count all multiplications, zeros included; the machine's peak is that of torch's product of two large
matrices on as many threads. With `--explain` every layer is listed, with `--break-even` at which sparsity the sparse
kernel of each layer becomes the faster one.
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
from prunus.sparse.engine import Engine
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


def network(name: str) -> tuple[Callable[[], nn.Module], int, str]:
    """One of these, or any of torchvision's as `torchvision:NAME`, for images of 224 pixels."""
    return NETWORKS.get(name) or (lambda: build_model(Part(name=name), (3, 224, 224), 1000), 224, "1,16")


COLUMNS = (
    "network", "batch", "threads", "sparsity", "prunus ms", "ONNX Runtime ms", "torch ms",
    "ratio", "over torch", "GFLOP/s",
)  # fmt: skip
STEPS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Sparsities at which it is looked for where zeros begin to pay."""

REST_SECONDS = 0.03


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=["vgg11", "resnet18"])
    parser.add_argument("--batch", default="")
    parser.add_argument("--sparsity", default="0,0.8,0.9,0.95")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--explain", action="store_true", help="every layer: kernel, dense and sparse time, GFLOP/s")
    parser.add_argument("--break-even", action="store_true", help="the sparsity from which zeros pay, layer by layer")
    options = parser.parse_args()
    for threads in _numbers(options.threads, int):
        print(f"peak on {threads} threads: {peak(threads):.0f} GFLOP/s")
    if not options.break_even:
        print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for name in options.networks:
        for batch in _numbers(options.batch or network(name)[2], int):
            for threads in _numbers(options.threads, int):
                if options.break_even:
                    _break_even(name, batch, threads)
                    continue
                for sparsity in _numbers(options.sparsity, float):
                    _cell(name, batch, threads, sparsity, options)


def _numbers(text: str, kind: Callable[[str], Any]) -> list[Any]:
    return [kind(value) for value in text.split(",")]


def _engine(name: str, batch: int, threads: int, sparsity: float, path: Path) -> tuple[nn.Module, Engine]:
    build, pixels, _ = network(name)
    torch.manual_seed(0)
    model = prune(build().eval(), sparsity)
    write_onnx(model, torch.zeros(1, 3, pixels, pixels), path)
    return model, prunus.sparse.from_onnx(path, batch=batch, threads=threads)


def _cell(name: str, batch: int, threads: int, sparsity: float, options: argparse.Namespace) -> None:
    torch.set_num_threads(threads)
    pixels = network(name)[1]
    images = torch.randn(batch, 3, pixels, pixels)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        model, engine = _engine(name, batch, threads, sparsity, path)
        given = images.numpy()
        dense = OnnxRuntime().load(Variant(input_shape=(3, pixels, pixels), files={"onnx": path}), given, threads)
        with torch.inference_mode():
            times = interleaved([lambda: engine.run(given), dense, lambda: model(images)], options.rounds)
    ours, onnx, eager = (1e3 * statistics.median(samples) for samples in times)
    explained = engine.explain(runs=5 if options.explain else 1)
    gflops = sum(layer.gflops * layer.ms for layer in explained.layers if layer.gflops) / ours
    measured = f"{ours:.2f} | {onnx:.2f} | {eager:.2f} | {onnx / ours:.2f} | {eager / ours:.2f} | {gflops:.0f}"
    print(f"| {name} | {batch} | {threads} | {sparsity} | {measured} |", flush=True)
    if options.explain:
        print(explained)


def _break_even(name: str, batch: int, threads: int) -> None:
    """Of every layer: the least of some sparsities at which its best sparse kernel beat its best dense one."""
    ratios: dict[str, dict[float, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for sparsity in STEPS:
            _, engine = _engine(name, batch, threads, sparsity, Path(folder) / "model.onnx")
            for layer in engine.explain(runs=1).layers:
                if layer.dense_ms and layer.sparse_ms:
                    ratios.setdefault(layer.name, {})[sparsity] = layer.dense_ms / layer.sparse_ms
    print(f"{name}, batch {batch}, {threads} threads: dense ms / sparse ms at each sparsity, and where it passes 1")
    for layer_name, at in ratios.items():
        first = next((f"{sparsity:.0%}" for sparsity, ratio in at.items() if ratio > 1), "never")
        print(f"  {layer_name}: {first} ({', '.join(f'{ratio:.2f}' for ratio in at.values())})")


def peak(threads: int, size: int = 2048) -> float:
    """GFLOP/s of the best of some products of two square matrices."""
    torch.set_num_threads(threads)
    left, right = torch.randn(2, size, size)
    times = interleaved([lambda: left @ right], 5)[0]
    return float(2 * size**3 / min(times) / 1e9)


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
    """Seconds of each, round by round; each is warmed up by two runs that do not count.

    Before that the cores get some rest: threads of the runtime before go on spinning for up to 15 ms.
    """
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, samples in zip(runs, times, strict=True):
            time.sleep(REST_SECONDS)
            run()
            run()
            start = time.perf_counter()
            run()
            samples.append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    main()
