"""How far channel pruning reaches: every torchvision classifier, one small network of each timm family, transformers.

    python benchmarks/zoo.py --out zoo.csv                      # everything, hours
    python benchmarks/zoo.py timm:resnet18 torchvision:alexnet  # some
    python benchmarks/zoo.py --list timm --peer                 # beside torch-pruning, in the same run

Each network runs in a process of its own with a time limit, random weights, 50 % of the channels, on one thread.
Seconds are of processor time, so that other work on the machine changes them little; what both tools import, and their
first call, is behind them when such a process begins.

done     same output shape, MACs at most 75 %, proven equal to the masked network, saved and loaded with identical
         outputs, and one training step ran
refused  an error that prunus raises on purpose, before anything wrong came out
failed   everything else: another error, too few MACs removed, time out; `wrong` if outputs differed
"""

from __future__ import annotations

import argparse
import csv
import gc
import math
import multiprocessing
import os
import resource
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo_report import summary

HERE = Path(__file__).parent
COLUMNS = (
    "network",
    "outcome",
    "parameters",
    "macs_ratio",
    "deviation",
    "form",
    "seconds",
    "peer",
    "peer_seconds",
    "why",
)
RATE = 0.5
WAIT = 20  # times the limit, for a machine that does other work as well
MOST_MACS = 0.75


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", help="SOURCE:NAME; all of the list if none is given")
    parser.add_argument("--list", choices=["all", *SOURCES], default="all")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--limit", type=float, default=600, help="seconds of processor time per network")
    parser.add_argument("--peer", action="store_true", help="also run torch-pruning")
    options = parser.parse_args()
    _warm_up(options.peer)
    with (options.out or Path(os.devnull)).open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        rows = []
        for network in options.networks or every(options.list):
            rows.append(_row(network, options.limit, options.peer))
            writer.writerow(rows[-1])
            file.flush()
    _summary(rows)


def every(which: str) -> list[str]:
    return [f"{s}:{name}" for s, (names, _) in SOURCES.items() if which in ("all", s) for name in names()]


def _row(network: str, limit: float, peer: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"network": network, **in_a_process(network, "prunus", limit)}
    if peer:
        other = in_a_process(network, "peer", limit)
        row |= {"peer": other["outcome"], "peer_seconds": other.get("seconds", "")}
    print(" ".join(f"{row.get(column, '')!s:.160}" for column in COLUMNS), flush=True)
    return row


def _warm_up(peer: bool) -> None:
    """Import what the processes need, which are forked from this one, and call it once."""
    import torch

    torch.set_num_threads(1)
    for who in ("prunus", *(["peer"] * peer)):
        result = TOOLS[who](lambda: torch.nn.Sequential(*(torch.nn.Linear(8, 8) for _ in range(3))), torch.randn(2, 8))
        if result["outcome"] == "failed":
            raise SystemExit(f"{who} does not work here: {result['why']}")
    gc.freeze()  # what stands here is not walked through again in each of them


def in_a_process(network: str, who: str, limit: float) -> dict[str, Any]:
    """What a process of its own finds out about one network."""
    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_one, args=(network, who, limit, sender))
    process.start()
    sender.close()
    try:
        if not receiver.poll(WAIT * limit):
            return {"outcome": "failed", "why": f"did not end in {WAIT * limit:g} s"}
        return receiver.recv()
    except EOFError:
        process.join()
        over = process.exitcode == -signal.SIGXCPU
        return {"outcome": "failed", "why": f"more than {limit:g} s" if over else f"ended with {process.exitcode}"}
    finally:
        process.kill()
        process.join()


def _summary(rows: list[dict[str, Any]]) -> None:
    for source in SOURCES:
        if some := [row for row in rows if row["network"].startswith(source + ":")]:
            print(f"{source}: {summary(some)}")


def _one(network: str, who: str, limit: float, sender: Any) -> None:
    import torch

    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(limit),) * 2)
    torch.manual_seed(0)
    source, _, name = network.partition(":")
    try:
        sender.send(TOOLS[who](*SOURCES[source][1](name)))
    except Exception as error:
        sender.send({"outcome": "failed", "why": f"{type(error).__name__}: {error}"})


def _prunus(build: Callable[[], Any], inputs: Any) -> dict[str, Any]:
    from prunus.channels.by_name import prune_channels
    from prunus.errors import PrunusError

    model = build().eval()
    began = time.process_time()
    try:
        pruned = prune_channels(model, inputs, RATE)
    except PrunusError as error:
        return {"outcome": "refused", "why": str(error)}
    row = {
        "parameters": pruned.report.parameters.before,
        "macs_ratio": round(pruned.report.macs.ratio, 4),
        "deviation": f"{pruned.report.deviation:.1e}",
        "form": pruned.report.form,
        "seconds": round(time.process_time() - began, 3),
    }
    return row | _check(build, model, pruned, inputs)


def _check(build: Callable[[], Any], model: Any, pruned: Any, inputs: Any) -> dict[str, Any]:
    import torch

    from prunus.channels import load, save

    expected, found = _outputs(model, inputs), _outputs(pruned.model.eval(), inputs)
    if [a.shape for a in expected] != [b.shape for b in found]:
        return {"outcome": "wrong", "why": "another output shape"}
    with tempfile.TemporaryDirectory() as folder:
        save(pruned.model, Path(folder) / "small.safetensors")
        again = load(Path(folder) / "small.safetensors", build)
    if not all(torch.equal(a, b) for a, b in zip(found, _outputs(again, inputs), strict=True)):
        return {"outcome": "wrong", "why": "loaded, it computes something else"}
    try:
        _training_step(pruned.model, inputs)
    except Exception as error:
        return {"outcome": "failed", "why": f"training step: {error}"}
    if pruned.report.macs.ratio > MOST_MACS:
        left = Counter(row.protected for row in pruned.report.groups if row.protected)
        return {"outcome": "failed", "why": f"too few MACs removed: {left.most_common(2)}"}
    return {"outcome": "done", "why": ""}


def _training_step(model: Any, inputs: Any) -> None:
    """One step of SGD on two samples, for batch normalisation needs more than one."""
    import torch

    from prunus.trace.batch import larger_batch
    from prunus.trace.trace import as_call

    args, kwargs = larger_batch(as_call(inputs))
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), 1e-3)
    outputs = tensors(model(*args, **kwargs))
    sum(output.float().square().mean() for output in outputs if output.is_floating_point()).backward()
    optimiser.step()


def _outputs(model: Any, inputs: Any) -> list[Any]:
    import torch

    from prunus.trace.trace import as_call

    args, kwargs = as_call(inputs)
    with torch.no_grad():
        return tensors(model(*args, **kwargs))


def tensors(result: Any) -> list[Any]:
    import torch
    from torch.utils import _pytree as pytree

    return [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor)]


def magnitude_pruner(model: Any, inputs: Any) -> Any:
    """torch-pruning's, for all but the last layer."""
    import torch
    import torch_pruning

    linear = [module for module in model.modules() if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))]
    importance = torch_pruning.importance.MagnitudeImportance(p=2)
    return torch_pruning.pruner.MagnitudePruner(
        model, inputs, importance, pruning_ratio=RATE, ignored_layers=linear[-1:]
    )


def _torch_pruning(build: Callable[[], Any], inputs: Any) -> dict[str, Any]:
    """The peer's default use: L2 magnitude, the output layer ignored."""
    from prunus.cost import count_cost

    model = build().eval()
    macs = count_cost(model, inputs).dense_macs
    began = time.process_time()
    try:
        magnitude_pruner(model, inputs).step()
        seconds = time.process_time() - began
        _outputs(model, inputs)
        ratio = count_cost(model, inputs).dense_macs / macs
    except Exception as error:
        return {"outcome": "failed", "why": f"{type(error).__name__}: {error}"}
    outcome = "done" if ratio <= MOST_MACS else "failed"
    return {"outcome": outcome, "macs_ratio": round(ratio, 4), "seconds": round(seconds, 3)}


TOOLS = {"prunus": _prunus, "peer": _torch_pruning}
FORK = multiprocessing.get_context("fork")


def _torchvision_names() -> list[str]:
    import torchvision

    return list(torchvision.models.list_models(module=torchvision.models))


def _torchvision(name: str) -> tuple[Callable[[], Any], Any]:
    import torch
    import torchvision

    side = {"inception_v3": 299, "vit_h_14": 224}.get(name, 224)
    return lambda: torchvision.models.get_model(name, weights=None), torch.randn(1, 3, side, side)


def _timm_names() -> list[str]:
    with (HERE / "zoo_families.csv").open() as file:
        return [row["network"] for row in csv.DictReader(file)]


def _timm(name: str) -> tuple[Callable[[], Any], Any]:
    import timm
    import torch

    shape = timm.create_model(name).default_cfg["input_size"]
    return lambda: timm.create_model(name), torch.randn(1, *shape)


SMALL_TEXT = {"vocab_size": 100, "max_position_embeddings": 64}
SMALL_IMAGE = {"image_size": 32, "patch_size": 8, "num_labels": 5}
WIDE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
CONFIGURATIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "Bert": ("BertForSequenceClassification", {**WIDE, **SMALL_TEXT}, "text"),
    "DistilBert": (
        "DistilBertForSequenceClassification",
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, **SMALL_TEXT},
        "text",
    ),
    "Roberta": ("RobertaForSequenceClassification", {**WIDE, **SMALL_TEXT}, "text"),
    "GPT2": (
        "GPT2LMHeadModel",
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 100, "n_positions": 64},
        "text",
    ),
    "Llama": ("LlamaForCausalLM", {**WIDE, **SMALL_TEXT, "num_key_value_heads": 2}, "text"),
    "Mistral": ("MistralForCausalLM", {**WIDE, **SMALL_TEXT, "num_key_value_heads": 2}, "text"),
    "T5": (
        "T5ForConditionalGeneration",
        {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "vocab_size": 100},
        "pair",
    ),
    "ViT": ("ViTForImageClassification", {**WIDE, **SMALL_IMAGE}, "image"),
    "DeiT": ("DeiTForImageClassification", {**WIDE, **SMALL_IMAGE}, "image"),
    "Swin": (
        "SwinForImageClassification",
        {"image_size": 32, "patch_size": 2, "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4},
        "image",
    ),
    "ConvNext": ("ConvNextForImageClassification", {"hidden_sizes": [8, 16, 32, 64], "depths": [1, 1, 2, 1]}, "image"),
    "Whisper": (
        "WhisperModel",
        {
            "d_model": 32,
            "encoder_layers": 2,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 64,
            "num_mel_bins": 16,
            "max_source_positions": 32,
            "decoder_layers": 1,
            "decoder_attention_heads": 4,
            "decoder_ffn_dim": 64,
            "vocab_size": 100,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 1,
        },
        "sound",
    ),
}


def _transformer(name: str) -> tuple[Callable[[], Any], Any]:
    import torch
    import transformers

    kind, settings, what = CONFIGURATIONS[name]
    cls = getattr(transformers, kind)
    text = {"input_ids": torch.arange(20).reshape(2, 10) % 90 + 3}
    inputs: dict[str, dict[str, Any]] = {
        "text": text,
        "pair": {**text, "decoder_input_ids": text["input_ids"]},
        "image": {"pixel_values": torch.randn(2, 3, 32, 32)},
        "sound": {"input_features": torch.randn(2, 16, 64)},
    }

    def build() -> Any:
        model = cls(cls.config_class(**settings, **({"use_cache": False} if what in ("text", "pair") else {})))
        return model.encoder if what == "sound" else model

    return build, inputs[what]


SOURCES: dict[str, tuple[Callable[[], list[str]], Callable[[str], tuple[Callable[[], Any], Any]]]] = {
    "torchvision": (_torchvision_names, _torchvision),
    "timm": (_timm_names, _timm),
    "transformers": (lambda: list(CONFIGURATIONS), _transformer),
}

if __name__ == "__main__":
    main()
