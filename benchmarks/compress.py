"""What `prunus.compress` makes of trained networks, beside uniform magnitude and torch-pruning's group norm.

    python benchmarks/compress.py [ROW]... [--budget 30min] [--seeds 0,1,2] [--out FOLDER] [--write PAGE]

Each row of `compress_rows.py` is trained to its end first, then compressed within the budget. The others cut the same
network to the latency that came out of that, have the statistics of norms measured anew as `compress` has them, and are
trained on for as many steps as all attempts of `compress` together, by the same teacher. All are judged on the test
data, once, and timed in the same interleaved rounds. What is found is kept in FOLDER, a file for each row and seed;
one that is there is not measured again. `--write` makes a page of all of them.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from compress_page import page
from compress_rows import FULL_ROWS, ROWS, Row
from torch import nn

import prunus
from prunus.channels import recalibrate
from prunus.compress import Compressed, Settings, run_compression
from prunus.compress.delivering import write_files
from prunus.compress.finetuning import Finetuning
from prunus.compress.judging import GROUPS, Judged, difference, judge
from prunus.compress.settings import FINETUNING, seconds_of, target_of
from prunus.data import Dataset
from prunus.measure import Variant, measure_latency, runtime_of
from prunus.measure.stopwatch import CopyOf, Place, Stopwatch
from prunus.prune.evidence.samples import call
from prunus.report.statistics import ratio_interval
from prunus.spec import Part, Training
from prunus.system.processor import processor_name
from prunus.tasks import Task, task_of
from prunus.tasks.batch import example_inputs
from prunus.train import Pruner, batches, calibration_samples, seed_everything, start, train

MOST_AT_ONCE = 200
RATIOS = 40
ROUNDS = 100
THREADS = 1


def main() -> None:
    """Measure each row with each seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    rows = {**ROWS, **FULL_ROWS}
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(rows)}; {', '.join(ROWS)} if none is named")
    parser.add_argument("--budget", help="for a compression; the row's own if not given")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--out", type=Path, default=Path("compressed"))
    parser.add_argument("--write", type=Path, metavar="PAGE", help="make a page of all that was measured")
    asked = parser.parse_args()
    torch.set_num_threads(THREADS)
    print(f"prunus {prunus.__version__}, {processor_name()}, {THREADS} thread", flush=True)
    for name in asked.rows or ROWS:
        for seed in map(int, asked.seeds.split(",")):
            file = asked.out / f"{name}-{seed}.json"
            if not file.exists():
                found = Comparison(name, rows[name], seed, asked).run()
                file.write_text(json.dumps(found, indent=1) + "\n")
            print(file.read_text() if asked.write is None else file, flush=True)
    if asked.write is not None:
        measured = [json.loads(file.read_text()) for file in sorted(asked.out.glob("*.json"))]
        asked.write.write_text(page(measured, rows))


@dataclass
class Comparison:
    """One row with one seed."""

    name: str
    row: Row
    seed: int
    asked: argparse.Namespace

    def run(self) -> dict[str, Any]:
        """Train, compress, cut otherwise, judge and time all of them."""
        data, task = self.row.data(), task_of(Part(name=self.row.task))
        model = self.trained(data, task)
        example = example_inputs(data, task)
        place = Place(runtime=self.asked.runtime, batch_size=1, threads=THREADS)
        with Stopwatch(model, example, place) as watch:
            found = self.compressed(model, data, watch)
            networks = {"unpruned": model}
            epochs = sum(one.epochs + one.compared for one in found.attempts)
            if found.best is not None:
                networks["compress"] = found.model
                tuned = Finetuning(copy.deepcopy(model), data, task, self.finetuning, self.seed)
                tuned = tuned.at(found.best.learning_rate)
                networks |= self.others(model, tuned, epochs, watch.time(found.model).p50_ms, watch)
        return {
            "row": self.name,
            "seed": self.seed,
            "prunus": prunus.__version__,
            "processor": processor_name(),
            "runtime": self.asked.runtime,
            "budget": self.budget,
            "inputs": [len(data.train), len(data.validation), len(data.test)],  # type: ignore[arg-type]
            "epochs": epochs,
            "attempts": [one.model_dump(mode="json", include=SHOWN) for one in found.attempts],
            "said": found.sentences,
            "networks": self.measured(networks, data, task, example),
        }

    @property
    def budget(self) -> str:
        """For the compression."""
        return self.asked.budget or self.row.budget

    @property
    def finetuning(self) -> Training:
        """How all cut networks are trained, but for the learning rate."""
        return FINETUNING.model_copy(update={"epochs": self.row.epochs})

    def trained(self, data: Dataset, task: Task) -> nn.Module:
        """The network, trained to its end; kept for the next time."""
        seed_everything(self.seed, "build")
        out = self.asked.out / f"{self.row.network}-{self.seed}"
        model, training, file = self.row.build(data), self.row.training, out / "trained.pt"
        if file.exists():
            model.load_state_dict(torch.load(file, weights_only=True))
            return model.eval()
        pruner = Pruner(model, None, example_inputs(data, task), epochs=training.epochs, steps_per_epoch=None)
        train(start(model, pruner, training, task=task), data, training, seed=self.seed)
        out.mkdir(parents=True, exist_ok=True)
        torch.save(model.state_dict(), file)
        return model.eval()

    def compressed(self, model: nn.Module, data: Dataset, watch: Stopwatch) -> Compressed:
        """What `prunus.compress` makes of it."""
        watch.time(model)
        target = f"latency_ms={self.row.target * watch.unpruned_ms:.6g}" if self.row.target else None
        wanted = Settings(
            task=Part(name=self.row.task),
            keep=self.row.keep,
            target=target_of(target),
            runtime=self.asked.runtime,
            threads=THREADS,
            batch_sizes=self.row.batch_sizes,
            budget_seconds=seconds_of(self.budget),
            training=self.finetuning,
            seed=self.seed,
        )
        out = self.asked.out / f"{self.name}-{self.seed}"
        return run_compression(
            model, data, wanted, out, lambda text: print(f"  {time.strftime('%X')} {text}", flush=True)
        )

    def others(
        self, model: nn.Module, tuned: Finetuning, epochs: float, latency_ms: float, watch: Stopwatch
    ) -> dict[str, nn.Module]:
        """What simpler ways make of it at the same latency, with as much training."""
        example = example_inputs(tuned.data, tuned.task)
        samples = calibration_samples(tuned.data, self.seed, task=tuned.task)
        found = {}
        for name, cut in {"uniform magnitude": uniform, "torch-pruning group norm": group_norm}.items():
            small = cut(model, example, latency_ms, watch)
            if small is None:
                print(f"  {name} gives no network that runs at this latency", flush=True)
                continue
            recalibrate(small, (inputs for inputs, _ in samples.batches))
            found[name] = tuned.run(small, epochs)
        return found

    def measured(self, networks: dict[str, nn.Module], data: Dataset, task: Task, example: object) -> dict[str, Any]:
        """Metric, differences, latencies and sizes of each network."""
        judged = {name: _judged(one, data, task) for name, one in networks.items()}
        found: dict[str, Any] = {}
        for name, one in networks.items():
            found[name] = {"metric": judged[name].value, "parameters": sum(p.numel() for p in one.parameters())}
            for other in ("unpruned", "compress"):
                if other in networks:
                    lost = difference(judged[name], judged[other], task.metric)
                    found[name][f"to {other}"] = [lost.mean, lost.low, lost.high]
        self.timed(networks, example, found)
        return found

    def timed(self, networks: dict[str, nn.Module], example: object, found: dict[str, Any]) -> None:
        """Add the sizes of all files and their latencies, in the same rounds at each batch size."""
        runtime, wanted = self.asked.runtime, runtime_of(self.asked.runtime).file_format
        with TemporaryDirectory() as folder:
            variants = {}
            for name, one in networks.items():
                files, _ = write_files(one, example, Path(folder) / name, [runtime], self.row.batch_sizes, THREADS)
                paths = {file.format: file.path for file in files}
                variants[name] = Variant.taking(example, paths, CopyOf(one))
                found[name]["bytes"] = next(file.size_bytes for file in files if file.format == wanted)
                found[name]["latency"] = {}
            for batch_size in self.row.batch_sizes:
                samples = measure_latency(
                    variants, runtime=runtime, batch_size=batch_size, threads=THREADS, rounds=ROUNDS
                )
                times = {name: [one.latency_ms for one in samples if one.variant == name] for name in variants}
                for name, own in times.items():
                    ratio = ratio_interval(own, times["unpruned"])
                    assert ratio is not None, "there are rounds"
                    found[name]["latency"][str(batch_size)] = [median(own), ratio.mean, ratio.low, ratio.high]


SHOWN = {"kind", "asked", "cost", "chosen", "learning_rate", "compared", "epochs", "seconds", "accepted", "difference"}
"""What a result keeps of each attempt."""


def uniform(model: nn.Module, example: object, latency_ms: float, watch: Stopwatch) -> nn.Module | None:
    """The same share of every group of channels, those of least magnitude."""

    def at(ratio: float) -> nn.Module:
        return prunus.prune_channels(model, example, ratio, criterion="magnitude").model

    return _at_latency(at, latency_ms, watch)


def group_norm(model: nn.Module, example: object, latency_ms: float, watch: Stopwatch) -> nn.Module | None:
    """Torch-pruning's GroupNormPruner over the whole network (Fang et al., "DepGraph", 2023), at the same latency."""
    import torch_pruning as tp

    *_, last = [name for name, one in model.named_modules() if isinstance(one, LAYERS)]

    def at(ratio: float) -> nn.Module:
        small = copy.deepcopy(model)
        pruner = tp.pruner.GroupNormPruner(
            small,
            example,
            importance=tp.importance.GroupMagnitudeImportance(p=2),
            global_pruning=True,
            pruning_ratio=ratio,
            max_pruning_ratio=0.95,
            ignored_layers=[small.get_submodule(last)],
        )
        pruner.step()
        return small

    return _at_latency(at, latency_ms, watch)


LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)


def _at_latency(at: Callable[[float], nn.Module], latency_ms: float, watch: Stopwatch) -> nn.Module | None:
    """The network of least ratio that is at most as slow as is asked for, by halving; those that do not run are passed.

    None where no ratio gives one that runs and is fast enough.
    """
    low, high, best = 1, RATIOS, None
    while low < high:
        place = middle = (low + high) // 2
        while (network := _if_it_runs(at, place / RATIOS, watch)) is None and place < high - 1:
            place += 1
        if network is None:
            high = middle
        elif watch.steady_ms(network) <= latency_ms * 1.02:
            high, best = middle, network
        else:
            low = place + 1
    return best


def _if_it_runs(at: Callable[[float], nn.Module], ratio: float, watch: Stopwatch) -> nn.Module | None:
    try:
        network = at(ratio).eval()
        with torch.no_grad():
            call(network, watch.inputs)
    except Exception:  # it was cut so that it does not run, or cannot be cut at all
        return None
    return network


def _judged(model: nn.Module, data: Dataset, task: Task) -> Judged:
    size = min(MOST_AT_ONCE, max(1, -(-len(data.test) // GROUPS)))
    return judge(model, batches(data, data.test, torch.device("cpu"), size, task), task, data)


if __name__ == "__main__":
    main()
