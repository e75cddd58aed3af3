"""From a trained network and a margin, or a cost, to files."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from prunus.compress.compression import Compression
from prunus.compress.result import Compressed
from prunus.compress.settings import Settings, seconds_of, target_of
from prunus.compress.timing import Tell
from prunus.data import Dataset
from prunus.measure import ModelBuilder, runtime_of
from prunus.spec import Part, Training, part_of
from prunus.trace.inventory import unwrapped
from prunus.train import pick_device


def compress(
    model: nn.Module,
    data: Dataset,
    *,
    out: str | Path,
    task: str | Part = "classification",
    keep: float | None = None,
    target: str | None = None,
    runtime: str = "onnxruntime",
    threads: int = 1,
    batch_sizes: tuple[int, ...] = (1,),
    formats: tuple[str, ...] = (),
    budget: str | float = "30min",
    training: Training | None = None,
    protect: tuple[str, ...] = (),
    round_to: int = 1,
    seed: int = 0,
    tell: Tell = lambda _: None,
) -> Compressed:
    """Make a trained network as small and fast as it can be on this machine without losing more than a margin.

    The network is timed layer by layer on the runtime. A knapsack over its groups of channels, of what each costs there
    and what it costs in loss, chooses widths; the cut network is trained on with distillation from the unpruned one,
    and judged on validation inputs. What holds is cut further, what does not is backed off from, until the budget is
    spent. Test data are looked at once, in the end. An interrupted call leaves the best so far; the same call goes on.

    Args:
        model: the trained network; it is untouched.
        data: what it was trained on, and test data that it has not seen.
        out: folder for the files, the report and the state of the search.
        task: what the network is for, by name or as a part with settings.
        keep: how much worse the task's metric may be, in the unit in which it is shown (points of a percentage; percent
            of a perplexity); None for the task's own margin.
        target: `"latency_ms=3"`, `"bytes=200000"` or `"macs=1e6"` to come to instead; below 1, bytes and MACs are
            shares of the unpruned network's.
        runtime: what the network is to be fast on; `prunus list runtimes`.
        threads: of the runtime.
        batch_sizes: the first one decides; all are measured in the end.
        formats: other runtimes to write files for.
        budget: how long all of it may take, such as `"30min"`, or in seconds.
        training: how a cut network is trained on; how many of its epochs follows from the budget. Without it, two
            learning rates are tried.
        protect: layers that keep their channels, by name or shell pattern.
        round_to: the number of channels that are left is a multiple of this.
        seed: of all that is drawn.
        tell: is called with a sentence on how it gets on.

    Returns:
        The smaller network, and all that was tried, written and measured.

    Raises:
        InputError: data, task and network do not go together, nothing can be pruned, the budget is too short for one
            epoch, or a target cannot be reached; the message then has the least that can.
        MissingError: the runtime is not there.
        StoreError: `out` holds another search.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import torch
        >>> from prunus.data import Split
        >>> x = torch.randn(600, 4, generator=torch.Generator().manual_seed(0))
        >>> split = Split(x, (x[:, 0] > 0).long())
        >>> network = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 2))
        >>> with torch.no_grad():
        ...     _ = network[0].weight.zero_(), network[0].weight[:2, 0].copy_(torch.tensor([9.0, -9.0]))
        ...     _ = network[0].bias.zero_(), network[2].weight.zero_(), network[2].bias.zero_()
        ...     _ = network[2].weight[:, :2].copy_(torch.tensor([[-9.0, 9.0], [9.0, -9.0]]))
        >>> signs = Dataset("signs", split, split, ("no", "yes"))
        >>> with TemporaryDirectory() as folder:
        ...     found = compress(network, signs, out=folder, target="macs=0.25", budget="2s")
        >>> found.model[0].out_features
        16
    """
    wanted = Settings(
        task=part_of(task),
        keep=keep,
        target=target_of(target),
        runtime=runtime,
        threads=threads,
        batch_sizes=batch_sizes,
        formats=formats,
        budget_seconds=seconds_of(budget),
        training=training or Settings().training,
        learning_rates=() if training else Settings().learning_rates,
        protect=protect,
        round_to=round_to,
        seed=seed,
    )
    return run_compression(model, data, wanted, Path(out), tell)


def run_compression(
    model: nn.Module, data: Dataset, settings: Settings, out: Path, tell: Tell, builder: ModelBuilder | None = None
) -> Compressed:
    """As `compress`, with all settings in one. builder: makes the unpruned network in another process."""
    runtime_of(settings.runtime)
    for name in settings.formats:
        runtime_of(name)
    pick_device(settings.training.device)
    return Compression(unwrapped(model), data, settings, out, tell, builder).run()
