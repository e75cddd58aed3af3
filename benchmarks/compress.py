"""What `prunus.compress` makes of trained networks, beside uniform magnitude and torch-pruning's group norm.

    python benchmarks/compress.py [ROW]... [--budget 30min] [--seeds 0,1,2] [--epochs N] [--out FOLDER]

Each row of `compress_rows.py` is trained to its end first (`--epochs` shortens that, for a trial run), then compressed
within the budget. The others cut the same network to the latency that came out of that, and are trained on for as many
epochs as all attempts of `compress` together, by the same teacher. All are judged on the test data, once, and timed
in the same interleaved rounds. The last column is how much better or worse each is than `compress` on the same inputs.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from compress_rows import ROWS, Row
from torch import nn

import prunus
from prunus.compress import Compressed
from prunus.compress.finetuning import Finetuning
from prunus.compress.judging import GROUPS, Judged, difference, in_words, judge
from prunus.compress.settings import FINETUNING, seconds_of
from prunus.data import Dataset
from prunus.errors import PrunusError
from prunus.measure.stopwatch import Place, Stopwatch
from prunus.spec import Part
from prunus.system.processor import processor_name
from prunus.tasks import Task, task_of
from prunus.tasks.batch import example_inputs
from prunus.train import Pruner, batches, seed_everything, start, train

BATCHES = {"resnet20": (1, 16), "resnet20-third": (1, 16)}
MOST_AT_ONCE = 200
STEPS = 20


def main() -> None:
    """Print a table for each row and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(ROWS)}; all if none is named")
    parser.add_argument("--budget", default="30min")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, help="of the first training; the row's own if not given")
    parser.add_argument("--inputs", type=int, help="so many training inputs at most, for a trial run")
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--out", type=Path, default=Path("compressed"))
    asked = parser.parse_args()
    print(f"prunus {prunus.__version__}, {processor_name()}, {torch.get_num_threads()} threads, budget {asked.budget}")
    for name in asked.rows or ROWS:
        for seed in map(int, asked.seeds.split(",")):
            Comparison(name, ROWS[name], seed, asked).run()


@dataclass
class Comparison:
    """One row with one seed."""

    name: str
    row: Row
    seed: int
    asked: argparse.Namespace

    def run(self) -> None:
        """Train, compress, cut otherwise, judge and time all of them."""
        data = self.row.data()
        if self.asked.inputs:
            data = replace(data.head(self.asked.inputs), validation=data.validation.head(self.asked.inputs))
        task, out = task_of(Part(name=self.row.task)), self.asked.out / f"{self.name}-{self.seed}"
        model = self.trained(data, task, out)
        example = example_inputs(data, task)
        place = Place(runtime=self.asked.runtime, batch_size=1, threads=1)
        with Stopwatch(model, example, place) as watch:
            found = self.compressed(model, data, out, watch)
            if found.best is None:
                print(f"\n{self.name}, seed {self.seed}: {found}")
                return
            latency_ms = watch.time(found.model).p50_ms
            epochs = sum(one.epochs for one in found.attempts)
            tuned = Finetuning(copy.deepcopy(model), data, task, FINETUNING, self.seed)
            networks = {"unpruned": model, "compress": found.model}
            for rival, cut in {"uniform magnitude": uniform, "torch-pruning group norm": group_norm}.items():
                small = cut(model, example, latency_ms, watch)
                if small is None:
                    print(f"  {rival} gives no network that runs at this latency")
                    continue
                with TemporaryDirectory() as folder:
                    networks[rival] = tuned.run(small, epochs, Path(folder) / "checkpoint", rival, lambda _: True)
        self.show(networks, data, task, example, found, epochs)

    def trained(self, data: Dataset, task: Task, out: Path) -> nn.Module:
        """The network, trained to its end; kept for the next time."""
        seed_everything(self.seed, "build")
        model, training, file = self.row.build(data), self.row.training, out / "trained.pt"
        training = training.model_copy(update={"epochs": self.asked.epochs or training.epochs})
        if file.exists():
            model.load_state_dict(torch.load(file, weights_only=True))
            return model.eval()
        pruner = Pruner(model, None, example_inputs(data, task), epochs=training.epochs, steps_per_epoch=None)
        train(start(model, pruner, training, task=task), data, training, seed=self.seed)
        out.mkdir(parents=True, exist_ok=True)
        torch.save(model.state_dict(), file)
        return model.eval()

    def compressed(self, model: nn.Module, data: Dataset, out: Path, watch: Stopwatch) -> Compressed:
        """What `prunus.compress` makes of it."""
        watch.time(model)
        target = f"latency_ms={self.row.target * watch.unpruned_ms:.6g}" if self.row.target else None
        return prunus.compress(
            model,
            data,
            out=out / "small",
            task=self.row.task,
            keep=self.row.keep,
            target=target,
            runtime=self.asked.runtime,
            batch_sizes=BATCHES.get(self.name, (1,)),
            budget=seconds_of(self.asked.budget),
            seed=self.seed,
            tell=lambda text: print(f"  {text}", flush=True),
        )

    def show(
        self,
        networks: dict[str, nn.Module],
        data: Dataset,
        task: Task,
        example: object,
        found: Compressed,
        epochs: int,
    ) -> None:
        """A line for each network."""
        judged = {name: _judged(one, data, task) for name, one in networks.items()}
        print(f"\n{self.name}, seed {self.seed}: {len(data.test):,} test inputs, others trained for {epochs} epochs")
        for batch_size in BATCHES.get(self.name, (1,)):
            for name, ratio in _ratios(networks, example, self.asked.runtime, batch_size):
                print(f"  {name:26} batch {batch_size:3}: {ratio:.3f} of the unpruned network's latency")
        for name, one in judged.items():
            parameters = sum(each.numel() for each in networks[name].parameters())
            against = in_words(difference(one, judged["compress"], task.metric), task.metric)
            lost = in_words(difference(one, judged["unpruned"], task.metric), task.metric)
            print(f"  {name:26} {task.metric.text(one.value):>9}  {parameters:>10,} parameters", end="")
            print(f"  to unpruned: {lost}  to compress: {against}")
        print("  " + "\n  ".join(found.sentences), flush=True)


def uniform(model: nn.Module, example: object, latency_ms: float, watch: Stopwatch) -> nn.Module | None:
    """The same share of every group of channels, those of least magnitude."""
    where = {"runtime": watch.place.runtime, "batch_size": watch.place.batch_size, "threads": watch.place.threads}
    allocation = {"name": "uniform", "latency_ms": latency_ms, **where}
    return prunus.prune_channels(model, example, allocation=allocation, criterion="magnitude").model


def group_norm(model: nn.Module, example: object, latency_ms: float, watch: Stopwatch) -> nn.Module | None:
    """Torch-pruning's GroupNormPruner over the whole network (Fang et al., "DepGraph", 2023), at the same latency."""
    import torch_pruning as tp

    *_, last = [one for one in model.modules() if isinstance(one, (nn.Linear, nn.Conv2d))]

    def at(ratio: float) -> nn.Module:
        small = copy.deepcopy(model)
        *_, output = [one for one in small.modules() if isinstance(one, type(last))]
        pruner = tp.pruner.GroupNormPruner(
            small,
            example,
            importance=tp.importance.GroupMagnitudeImportance(p=2),
            global_pruning=True,
            pruning_ratio=ratio,
            max_pruning_ratio=0.95,
            ignored_layers=[output],
        )
        pruner.step()
        return small

    return _at_latency(at, latency_ms, watch)


def _at_latency(at: Callable[[float], nn.Module], latency_ms: float, watch: Stopwatch) -> nn.Module | None:
    """The network of least ratio that runs and whose latency is at most the one asked for, of even ratios."""
    for step in range(1, STEPS):
        network = at(step / STEPS)
        try:
            if watch.steady_ms(network) <= latency_ms * 1.02:
                return network
        except PrunusError:  # it was cut so that it does not run
            continue
    return None


def _judged(model: nn.Module, data: Dataset, task: Task) -> Judged:
    device = torch.device("cpu")
    size = min(MOST_AT_ONCE, max(1, -(-len(data.test) // GROUPS)))
    return judge(model, batches(data, data.test, device, size, task), task, data)


def _ratios(
    networks: dict[str, nn.Module], example: object, runtime: str, batch_size: int
) -> Iterator[tuple[str, float]]:
    """The latency of each beside the unpruned one's, in the same rounds."""
    place = Place(runtime=runtime, batch_size=batch_size, threads=1)
    with Stopwatch(networks["unpruned"], example, place) as watch:
        for name, network in networks.items():
            timed = watch.time(network)
            yield name, timed.p50_ms / timed.unpruned_p50_ms


if __name__ == "__main__":
    main()
