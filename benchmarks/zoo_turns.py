"""How long pruning by channels takes beside torch-pruning, call by call in turn, on the networks that both can do.

    python benchmarks/zoo_turns.py timm:starnet_s050 transformers:Bert
    python benchmarks/zoo_turns.py --calls 5 --of zoo.csv    # those that both did there

Each network has a process of its own, on one thread, in which both tools take turns, each on a fresh copy of it;
seconds are of processor time for the whole call. The first call of a process meets empty caches, the later ones don't:
it is measured for each tool in three processes of its own, of which the median counts.
"""

from __future__ import annotations

import argparse
import copy
import csv
import gc
import statistics
import time
from pathlib import Path
from typing import Any

from zoo import FORK, RATE, SOURCES, _warm_up, magnitude_pruner

SLOW = 3.0
PROCESSES = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", help="SOURCE:NAME")
    parser.add_argument("--of", type=Path, help="rows of zoo.py: all that both did, but those that take the peer long")
    parser.add_argument("--calls", type=int, default=3)
    options = parser.parse_args()
    _warm_up(peer=True)
    found = {}
    for network in [*options.networks, *(_both(options.of) if options.of else ())]:
        found[network] = _times(network, options.calls)
        first, median = found[network]
        print(f"{network:<42} first {_line(first)}; {options.calls} in turn {_line(median)}", flush=True)
    for name, place in (("first", 0), ("in turn", 1)):
        ratios = sorted(times[place][0] / times[place][1] for times in found.values())
        above = [network for network, times in found.items() if times[place][0] > 2 * times[place][1]]
        print(
            f"{name}: {statistics.median(ratios):.2f} times at the median of {len(ratios)} networks, "
            f"{ratios[0]:.2f} to {ratios[-1]:.2f}; more than twice: {', '.join(above) or 'none'}"
        )


def _both(path: Path) -> list[str]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    done = [row for row in rows if row["outcome"] == row["peer"] == "done"]
    return [row["network"] for row in done if float(row["peer_seconds"]) < SLOW]


def _line(times: tuple[float, float]) -> str:
    ours, theirs = times
    return f"{ours * 1e3:6.0f} ms, torch-pruning {theirs * 1e3:6.0f}, {ours / theirs:.2f} times"


def _times(network: str, calls: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of each tool the first call in a process, and of several ones in turn; medians."""
    first = [[_in_a_process(network, 1, (tool,))[0][0] for _ in range(PROCESSES)] for tool in ("prunus", "peer")]
    in_turn = zip(*_in_a_process(network, calls, ("prunus", "peer")), strict=True)
    (one, other), (ours, theirs) = ([statistics.median(times) for times in each] for each in (first, in_turn))
    return (one, other), (ours, theirs)


def _in_a_process(network: str, calls: int, tools: tuple[str, ...]) -> list[tuple[float, ...]]:
    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_in_turn, args=(network, calls, tools, sender))
    process.start()
    sender.close()
    times: list[tuple[float, ...]] = receiver.recv()
    process.join()
    return times


def _in_turn(network: str, calls: int, tools: tuple[str, ...], sender: Any) -> None:
    import torch

    from prunus.channels.by_name import prune_channels

    torch.manual_seed(0)
    source, _, name = network.partition(":")
    build, inputs = SOURCES[source][1](name)
    model = build().eval()
    call = {
        "prunus": lambda one: prune_channels(one, inputs, RATE),
        "peer": lambda one: magnitude_pruner(one, inputs).step(),
    }
    sender.send([tuple(_timed(call[tool], model) for tool in tools) for _ in range(calls)])


def _timed(call: Any, model: Any) -> float:
    own = copy.deepcopy(model)
    gc.collect()
    began = time.process_time()
    result = call(own)
    seconds = time.process_time() - began
    del result
    return seconds


if __name__ == "__main__":
    main()
