"""How long pruning itself takes: choosing and masking a ResNet-50's weights, and what a training step gains by it.

    python benchmarks/pruning_speed.py [--rounds 5] [--steps 20]

First: half and nine tenths of all convolution weights of a ResNet-50 go by magnitude, ranked over the whole network, by
`Pruner` and by `torch.nn.utils.prune.global_unstructured`, turn by turn; both take the same weights, which is checked
(but for ties, and with the linear layer left alone, of which torch would leave nothing). Second: training steps of a
ResNet-20 (batches of 64 images of 32x32) with and without `pruner.step()` on masks of its layers, turn by turn. Ratios
are medians over rounds.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune

from prunus import Pruner, build_model, builtin_recipes
from prunus.spec import Part


def scoring(rounds: int, rate: float) -> None:
    torch.manual_seed(0)
    model = build_model(Part(name="torchvision:resnet50"), (3, 224, 224), 1000)
    inputs = torch.randn(1, 3, 64, 64)
    recipe = builtin_recipes()["element-global"].model_copy(
        update={
            "schedule": Part(name="every_epoch"),
            "allocation": Part(name="global", settings={"floor": 0.0}),
        }
    )
    ours, theirs, again = [], [], []
    for _ in range(rounds):
        one, other = copy.deepcopy(model), copy.deepcopy(model)
        pruner = Pruner(one, recipe, inputs, rate=rate, epochs=2, steps_per_epoch=None)
        began = time.perf_counter()
        pruner.after_epoch(1)
        ours.append(time.perf_counter() - began)
        layers = [(m, "weight") for m in other.modules() if isinstance(m, nn.Conv2d)]
        began = time.perf_counter()
        prune.global_unstructured(layers, prune.L1Unstructured, amount=rate)
        theirs.append(time.perf_counter() - began)
        for layer, name in layers:
            prune.remove(layer, name)
        masked = dict(other.named_parameters())
        differing = [(value - masked[name]).abs() for name, value in one.named_parameters()]
        differing = torch.cat([value[value > 0] for value in differing])
        assert len(differing.unique()) <= 1, "more than ties are taken otherwise"
        began = time.perf_counter()
        pruner.after_epoch(2)
        again.append(time.perf_counter() - began)
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    print(
        f"ResNet-50, rate {rate:g}: prunus {statistics.median(ours):.3f} s, global_unstructured "
        f"{statistics.median(theirs):.3f} s, ratio {ratio:.2f} (the same weights, ties aside); once more, what is gone "
        f"staying so: {statistics.median(again):.3f} s"
    )


def stepping(rounds: int, steps: int, rate: float) -> None:
    torch.manual_seed(0)
    model = build_model(Part(name="resnet20"), (3, 32, 32), 10)
    inputs, targets = torch.randn(64, 3, 32, 32), torch.arange(64) % 10
    recipe = builtin_recipes()["element-magnitude"].model_copy(update={"schedule": Part(name="at_init")})
    pruner = Pruner(model, recipe, inputs[:2], rate=rate, epochs=1, steps_per_epoch=10**9)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)

    def step(pruned: bool) -> float:
        began = time.perf_counter()
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
        if pruned:
            pruner.step()
        return time.perf_counter() - began

    for _ in range(5):
        step(True)
    shares = []
    for _ in range(rounds):
        plain, pruned = [], []
        for _ in range(steps):
            plain.append(step(False))
            pruned.append(step(True))
        shares.append(statistics.median(pruned) / statistics.median(plain))
    alone = []
    for _ in range(200):
        began = time.perf_counter()
        pruner.step()
        alone.append(time.perf_counter() - began)
    print(
        f"ResNet-20, batch 64: a step with pruner.step() takes {statistics.median(shares):.3f} of one without; "
        f"alone it takes {1e3 * statistics.median(alone):.2f} ms of {1e3 * statistics.median(plain):.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    for rate in (0.5, 0.9):
        scoring(arguments.rounds, rate)
    stepping(arguments.rounds, arguments.steps, 0.9)


if __name__ == "__main__":
    main()
