"""What channel pruning buys in time: MACs beside latency, of shrunk networks against the unpruned one.

    python benchmarks/shrink_latency.py                       # all networks, minutes each
    python benchmarks/shrink_latency.py resnet18 --rates 0.5  # one

Weights are random: neither MACs nor time depend on them. Each network and its unpruned original are timed in the same
interleaved rounds; the ratio is the median over rounds. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
from pathlib import Path
from typing import Any

NETWORKS = {  # name -> name for prunus
    "resnet18": "torchvision:resnet18",
    "resnet50": "torchvision:resnet50",
    "vgg16": "torchvision:vgg16",
    "mobilenetv2": "torchvision:mobilenet_v2",
    "vit-tiny": "timm:vit_tiny_patch16_224",
}
SHAPE, CLASSES = (3, 224, 224), 1000
RUNTIMES = ("onnxruntime", "torch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "networks", nargs="*", metavar="NETWORK", help=f"of {', '.join(NETWORKS)}; all if none is named"
    )
    parser.add_argument("--rates", default="0.25,0.5,0.75")
    parser.add_argument("--round-to", default="1,16")
    parser.add_argument("--batch", default="1,16")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if unknown := set(options.networks) - set(NETWORKS):
        parser.error(f"there is no {min(unknown)!r} among {', '.join(NETWORKS)}")
    rates, steps = ([kind(v) for v in text.split(",")] for kind, text in _lists(options))
    batches = [int(value) for value in options.batch.split(",")]
    print(f"{platform.processor() or platform.machine()}, {options.threads} thread(s), {options.rounds} rounds\n")
    print("| network | rate | round_to | MACs left | times fewer MACs | runtime | batch | ms | times faster |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in options.networks or NETWORKS:
        _network(name, rates, steps, batches, options)


def _lists(options: Any) -> list[tuple[Any, str]]:
    return [(float, options.rates), (int, options.round_to)]


def _network(name: str, rates: list[float], steps: list[int], batches: list[int], options: Any) -> None:
    """One network: cut it in every way, then time all of them side by side."""
    import torch

    from prunus import build_model, prune_channels
    from prunus.spec import Part

    torch.manual_seed(0)
    model = build_model(Part(name=NETWORKS[name]), SHAPE, CLASSES).eval()
    with tempfile.TemporaryDirectory() as folder:
        variants, macs = {"unpruned": _variant(name, model, Path(folder) / "unpruned")}, {"unpruned": 1.0}
        for rate in rates:
            for step in steps:
                pruned = prune_channels(model, torch.randn(1, *SHAPE), rate, round_to=step)
                key = f"{rate:g} | {step}"
                macs[key] = pruned.report.macs.ratio
                variants[key] = _variant(name, pruned.model, Path(folder) / f"{rate}-{step}")
        for runtime in RUNTIMES:
            for batch in batches:
                _table(name, variants, macs, runtime, batch, options)


def _variant(name: str, model: Any, folder: Path) -> Any:
    import torch

    from prunus.export import write_onnx, write_safetensors
    from prunus.measure import Variant, named_model
    from prunus.spec import Part

    folder.mkdir()
    files = {"onnx": folder / "network.onnx", "safetensors": folder / "network.safetensors"}
    write_onnx(model, torch.randn(2, *SHAPE), files["onnx"])
    write_safetensors(model, files["safetensors"])
    builder = named_model(Part(name=NETWORKS[name]), SHAPE, CLASSES)
    return Variant(input_shape=SHAPE, files=files, builder=builder)


def _table(name: str, variants: Any, macs: dict[str, float], runtime: str, batch: int, options: Any) -> None:
    from prunus.measure import measure_latency

    samples = measure_latency(
        variants, runtime=runtime, batch_size=batch, threads=options.threads, rounds=options.rounds
    )
    times = {(sample.variant, sample.round): sample.latency_ms for sample in samples}
    for key in variants:
        own = [times[key, i] for i in range(options.rounds)]
        faster = statistics.median(times["unpruned", i] / times[key, i] for i in range(options.rounds))
        label = key if key != "unpruned" else "0 | –"
        print(
            f"| {name} | {label} | {macs[key]:.1%} | {1 / macs[key]:.2f} | {runtime} | {batch} "
            f"| {statistics.median(own):.2f} | {faster:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
