"""Networks of other libraries: pruned, saved, loaded, exported, and called in other ways than with the example.

    python benchmarks/strangers.py --out strangers.csv          # all of stranger_networks.py
    python benchmarks/strangers.py timm: transformers:Llama     # those whose names begin so
    python benchmarks/strangers.py --out strangers.csv --again  # those that were not done
    python benchmarks/strangers.py --write docs/results/zoo.md  # and put the table into the page

Each network has a process of its own with a limit of processor time and memory. What the cut network computes is held
against a copy of the unpruned one in which the channels that the plan lists are zero, made here and not by prunus, in
float64, under every way of calling that the unpruned network takes: another batch, other sizes, masks, with and without
a cache, greedy tokens, training. (Where a normalisation averages over channels that went, to zero is not to remove, and
`prunus.channels.masked` is compared with; outputs that the report says to be narrower are not compared.)

done     pruned, saved, loaded with the same bits, and in every way either the same answer or a refusal in one sentence
refused  prunus says in one sentence why it does not prune, save or load it
wrong    anything else: another answer, another error, out of time or memory
skipped  its library is not installed, or the unpruned network does not run
"""

from __future__ import annotations

import argparse
import copy
import csv
import importlib.util
import multiprocessing
import resource
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeAlias

from stranger_networks import STRANGERS, Stranger

COLUMNS = (
    "network", "outcome", "macs_ratio", "form", "ways_same", "ways_refused", "onnx", "deviation", "seconds", "why",
)  # fmt: skip
RATE = 0.5
SAME, SAME_SINGLE = 1e-5, 1e-4
"""Of the largest output, in float64 and in float32."""
ROUNDINGS = 4
"""Runs that round otherwise, of which one shows what hangs on that."""
GIB = 2**30
BEGIN, END = "<!-- strangers: begin -->", "<!-- strangers: end -->"
PATIENCE = 20
"""Times the limit that a network may take by the clock, where other work is on the machine."""

FORK = multiprocessing.get_context("fork")


Answer: TypeAlias = dict[str, Any]
"""Path of a result -> tensor."""


@dataclass(frozen=True)
class Way:
    """A way of calling a network, and what calls it so.

    run: of a network and a seed. inputs: where it is one call in evaluation mode.
    seed: with which the unpruned network must answer as with 0, so that an answer can be compared.
    halves: what it gives comes in two halves that must agree.
    """

    name: str
    run: Callable[[Any, int], Answer]
    inputs: Any = None
    seed: int = 0
    halves: bool = False


class WrongError(Exception):
    """The cut network answers otherwise than the masked one."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", help="beginnings of names; all if none is given")
    parser.add_argument("--out", type=Path, help="where the rows go; those that it has of other networks stay")
    parser.add_argument("--again", action="store_true", help="only those that are not yet done in there")
    parser.add_argument("--write", type=Path, help="a page whose section of strangers is written anew")
    parser.add_argument("--limit", type=int, default=300, help="seconds of processor time for each network")
    parser.add_argument("--memory", type=float, default=8, help="GiB for each network")
    parser.add_argument("--jobs", type=int, default=1, help="networks at a time")
    options = parser.parse_args()
    rows = _read(options.out)
    chosen = [one for one in STRANGERS if not options.networks or one.name.startswith(tuple(options.networks))]
    if options.again:
        chosen = [one for one in chosen if rows.get(one.name, {}).get("outcome") != "done"]
    _warm_up()
    for row in _in_processes(chosen, options.jobs, options.limit, int(options.memory * GIB)):
        print(" ".join(f"{row.get(column, '')!s:.200}" for column in COLUMNS), flush=True)
        rows[row["network"]] = row
        _store(options.out, rows)
    found = [rows[one.name] for one in STRANGERS if one.name in rows]
    print("\n".join(summary(found)))
    if options.write:
        write_section(options.write, found)


def _read(path: Path | None) -> dict[str, dict[str, Any]]:
    """Network -> its row."""
    if path is None or not path.exists():
        return {}
    with path.open(newline="") as file:
        return {row["network"]: row for row in csv.DictReader(file)}


def _store(path: Path | None, rows: Mapping[str, dict[str, Any]]) -> None:
    if path is not None:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows[one.name] for one in STRANGERS if one.name in rows)


def summary(rows: Sequence[dict[str, Any]]) -> list[str]:
    """How many of each library came out how, and of all."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["network"].partition(":")[0], []).append(row)
    return [f"{name}: {_counted(some)}" for name, some in [*groups.items(), ("all", list(rows))]]


def _counted(rows: Sequence[dict[str, Any]]) -> str:
    found = Counter(row["outcome"] for row in rows)
    tried = len(rows) - found["skipped"]
    parts = [f"{found[name]} {name}" for name in ("done", "refused", "wrong", "skipped") if found[name]]
    refused = sum(int(row.get("ways_refused") or 0) for row in rows)
    exported = sum(row.get("onnx") == "done" for row in rows)
    return (
        f"{', '.join(parts)} of {len(rows)} ({100 * found['done'] / max(tried, 1):.0f} % done of those that ran), "
        + (f"{exported} exported to ONNX, {refused} ways of calling refused")
    )


def write_section(page: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Put the table between its marks into a page, at its end where it has none yet."""
    text = page.read_text()
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(str(row.get(c, "")).replace("|", "/")[:200] for c in COLUMNS) + " |" for row in rows]
    body = "\n".join(
        (
            BEGIN,
            "## Networks of other libraries\n",
            "Printed by `python benchmarks/strangers.py`.\n",
            *summary(rows),
            "",
            *lines,
            END,
        )
    )
    before, found, rest = text.partition(BEGIN)
    after = rest.partition(END)[2] if found else ""
    page.write_text(f"{before.rstrip()}\n\n{body}{after.rstrip()}\n")


def _warm_up() -> None:
    """Import what the processes need, which are forked from this one."""
    import torch

    torch.set_num_threads(1)
    for module in ("prunus.channels.by_name", "prunus.export"):
        importlib.import_module(module)


def _in_processes(chosen: Sequence[Stranger], jobs: int, limit: int, memory_bytes: int) -> Iterator[dict[str, Any]]:
    """The rows of networks, some of which are tried at the same time, each in a process of its own."""
    waiting, running = list(chosen), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            one = waiting.pop(0)
            if importlib.util.find_spec(one.library) is None:
                yield {"network": one.name, "outcome": "skipped", "why": f"{one.library} is not installed"}
                continue
            importlib.import_module(one.library)  # once for all networks of it
            receiver, process = _started(one, limit, memory_bytes)
            running[receiver] = one, process, time.monotonic()
        for receiver in wait(list(running), timeout=1):
            one, process, _ = running.pop(receiver)
            yield {"network": one.name, **_received(receiver, process, limit)}
        for _, process, began in running.values():
            if time.monotonic() - began > PATIENCE * limit:
                process.kill()  # its end is received as any other


def _started(one: Stranger, limit: int, memory_bytes: int) -> tuple[Connection, BaseProcess]:
    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_child, args=(one, limit, memory_bytes, sender))
    process.start()
    sender.close()
    return receiver, process


def _received(receiver: Connection, process: BaseProcess, limit: int) -> dict[str, Any]:
    try:
        row: dict[str, Any] = receiver.recv()
    except EOFError:
        process.join()
        ended = process.exitcode in (-signal.SIGXCPU, -signal.SIGKILL)
        why = f"did not end in {limit} s" if ended else f"the process ended with {process.exitcode}"
        row = {"outcome": "wrong", "why": why}
    process.join()
    return row


def _child(one: Stranger, limit: int, memory_bytes: int, sender: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
    try:
        row = tried(one)
    except Exception as error:
        row = {"outcome": "wrong", "why": f"{type(error).__name__}: {_first_line(error)}"}
    sender.send({**row, "seconds": round(time.process_time(), 1)})


def tried(one: Stranger) -> dict[str, Any]:
    """All that is asked of one network, and what came of it."""
    import torch

    from prunus.channels.by_name import prune_channels
    from prunus.errors import InputError

    torch.manual_seed(0)
    try:
        model, inputs = one.build()
        model.eval()
        _randomise_norms(model)
        _call(model, inputs)
    except Exception as error:
        return {"outcome": "skipped", "why": f"unpruned it does not run: {type(error).__name__}: {_first_line(error)}"}
    row: dict[str, Any] = {}
    try:
        pruned = prune_channels(model, inputs, RATE)
        row = {"macs_ratio": round(pruned.report.macs.ratio, 3), "form": pruned.report.form}
        again = _saved_and_loaded(model, pruned.model, inputs)
        row |= _ways(model, pruned, again, inputs)
        row["onnx"] = _onnx(model, pruned.model, inputs)
    except InputError as error:
        return {**row, "outcome": "refused", "why": _first_line(error)}
    except Exception as error:
        return {**row, "outcome": "wrong", "why": f"{type(error).__name__}: {_first_line(error)}"}
    return {**row, "outcome": "wrong" if row["onnx"].startswith("wrong") else "done"}


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _randomise_norms(model: Any) -> None:
    """Statistics and scales as a trained network has them: with those of a new one much is equal that must not be."""
    import torch

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)


def _as_call(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(inputs, dict):
        return (), inputs
    return (tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)), {}


def _call(model: Any, inputs: Any, seed: int = 0) -> Answer:
    """All tensors of the result, each its own copy, from copies of the inputs."""
    import torch
    from torch.utils import _pytree as pytree

    from prunus.coupling.outputs import paths_in
    from prunus.trace.results import plain

    args, kwargs = copy.deepcopy(_as_call(inputs))
    torch.manual_seed(seed)
    with torch.no_grad():
        leaves, structure = pytree.tree_flatten(plain(model(*args, **kwargs)))
    found = zip(paths_in(structure), leaves, strict=True)
    return {path: leaf.clone() for path, leaf in found if isinstance(leaf, torch.Tensor)}


def _saved_and_loaded(model: Any, small: Any, inputs: Any) -> Any:
    import torch

    from prunus.channels import load, save

    with tempfile.TemporaryDirectory() as folder:
        save(small, Path(folder) / "small.safetensors")
        again = load(Path(folder) / "small.safetensors", lambda: copy.deepcopy(model)).eval()
    one, other = _call(small.eval(), inputs), _call(again, inputs)
    pairs = ((tensor, other[name]) for name, tensor in one.items())
    if one.keys() != other.keys() or not all(
        torch.equal(a, b) or bool((a.isnan() & b.isnan()).any()) for a, b in pairs
    ):
        raise WrongError("loaded, it computes something else")
    return again


def zeroed(model: Any, plan: Any) -> Any:
    """A copy of the unpruned network in which what the plan lists is zero, by this file's own hands."""
    import torch

    twin = copy.deepcopy(model)
    held = {**dict(twin.named_parameters(remove_duplicate=False)), **dict(twin.named_buffers(remove_duplicate=False))}
    with torch.no_grad():
        for cut in plan.cuts:
            if cut.zero and cut.tensor in held:
                held[cut.tensor].index_fill_(cut.dim, torch.tensor(cut.removed), 0)
    return twin


def _ways(model: Any, pruned: Any, again: Any, inputs: Any) -> dict[str, Any]:
    """Masked and cut network, called in every way that the unpruned one takes."""
    (whole, small), inputs, limit = _as_precise_as_possible((model, again), inputs)
    narrowed = {output.name for output in pruned.report.changed_outputs}
    zeros = None if pruned.plan.normalised else zeroed(whole, pruned.plan)
    same, refused, worst = 0, [], 0.0
    for way in ways(inputs):
        off = _off(way, whole, lambda way=way: zeros or _masked(whole, pruned.plan, way), small, narrowed)
        if isinstance(off, str):
            refused.append(f"{way.name}: {off}")
        elif off is not None:
            if not off <= limit:
                if _hangs_on_rounding(way, zeros or whole, limit):
                    continue  # nothing can be compared
                raise WrongError(f"{way.name}: differs by {off:.1e} of the largest output")
            same, worst = same + 1, max(worst, off)
    if not same:
        raise WrongError("in no way could it be compared")
    return {"ways_same": same, "ways_refused": len(refused), "deviation": f"{worst:.0e}", "why": "; ".join(refused)}


def _hangs_on_rounding(way: Way, network: Any, limit: float) -> bool:
    """Whether operations that round otherwise already lead elsewhere, as where equal scores are sorted."""
    from prunus.proof.outputs import Rounding

    expected = way.run(network, 0)
    for seed in range(ROUNDINGS):
        with Rounding(seed):
            if not _difference(expected, way.run(network, 0), set()) <= limit:
                return True
    return False


def _masked(whole: Any, plan: Any, way: Way) -> Any:
    """A reference for this one way, as norms over what is left of their channels are; None if there is none."""
    from prunus.channels import masked

    return masked(whole, plan, way.inputs) if way.inputs is not None else None


def _off(way: Way, whole: Any, referred: Callable[[], Any], small: Any, narrowed: set[str]) -> float | str | None:
    """How far the answers differ; a refusal's words; None where there is nothing to compare."""
    from prunus.errors import InputError

    try:
        unpruned = way.run(whole, 0)
        if not _steady(unpruned, way.run(whole, way.seed)) or (way.halves and _apart(unpruned) > SAME_SINGLE):
            return None
        reference = referred()
        expected = None if reference is None else way.run(reference, 0)
        if not (way.halves if expected is None else _steady(expected, expected)):
            return None
    except Exception:  # the unpruned network does not take it, or a reference that was traced does not
        return None
    try:
        found = way.run(small, 0)
    except InputError as error:
        return _first_line(error)
    except Exception as error:
        raise WrongError(f"{way.name}: {type(error).__name__}: {_first_line(error)}") from error
    itself = _apart(found) if way.halves else 0.0
    return itself if expected is None else max(itself, _difference(expected, found, narrowed))


def _apart(halves: dict[str, Any]) -> float:
    """How far the second half of the answers is from the first, with a cache and without one."""
    values = list(halves.values())
    middle = len(values) // 2
    return _difference(dict(enumerate(values[:middle])), dict(enumerate(values[middle:])), set())


def _as_precise_as_possible(networks: Sequence[Any], inputs: Any) -> tuple[list[Any], Any, float]:
    """Networks and inputs in float64, and the limit; in float32 where types are written into one of the networks."""
    double = [copy.deepcopy(network).double().eval() for network in networks]
    try:
        for network in double:
            _call(network, _in_double(inputs))
    except Exception:
        single = [copy.deepcopy(network).eval() for network in networks]
        for network in single:
            _call(network, inputs)
        return single, inputs, SAME_SINGLE
    return double, _in_double(inputs), SAME


def _steady(one: Answer, other: Answer) -> bool:
    """Whether a network answers the same twice, so that an answer can be compared at all, and with numbers."""
    import torch

    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) and not (one[name].is_floating_point() and bool(one[name].isnan().any()))
        for name in one
    )


def _difference(expected: Answer, found: Answer, narrowed: set[str]) -> float:
    """Largest difference over the largest value, over all tensors; infinite for other shapes or tokens.

    narrowed: the outputs that the report says to have other shapes.
    """
    if expected.keys() != found.keys():
        return float("inf")
    return max((_apart_from(a, found[name]) for name, a in expected.items() if name not in narrowed), default=0.0)


def _apart_from(a: Any, b: Any) -> float:
    """Largest difference of two tensors over the largest value of the first."""
    if a.shape != b.shape:
        return float("inf")
    if not a.numel():
        return 0.0
    if not a.is_floating_point():
        return 0.0 if bool((a == b).all()) else float("inf")
    a, b = a.double(), b.double()
    finite = a.isfinite()
    if not bool((a == b)[~finite].all()):
        return float("inf")
    if not finite.any():
        return 0.0
    return float((a - b)[finite].abs().max()) / max(float(a[finite].abs().max()), 1e-9)


def ways(inputs: Any) -> Iterator[Way]:
    """Ways of calling a network."""
    import torch

    for name, changed in (("as the example", inputs), *changes(inputs)):
        yield Way(name, lambda model, seed, changed=changed: _call(model, changed, seed), changed)
    yield Way("in training mode", lambda model, seed: _call(_training(model), _repeated(inputs, 2), seed), seed=1)
    if isinstance(inputs, dict) and isinstance(inputs.get("input_ids"), torch.Tensor):
        for cache in (True, False):
            given = {**inputs, "use_cache": cache}
            yield Way(f"use_cache={cache}", lambda model, seed, given=given: _call(model, given, seed), given)
        yield Way("generate with a cache and without", lambda model, _: _generated(model, inputs), halves=True)
        yield Way("one token after a cache, and without", lambda model, _: _stepped(model, inputs), halves=True)


def _training(model: Any) -> Any:
    """A copy in training mode without dropout, whose draws depend on sizes."""
    import torch

    twin = copy.deepcopy(model).train()
    for module in twin.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
    return twin


def _generated(model: Any, inputs: dict[str, Any]) -> Answer:
    import torch

    given = {key: value for key, value in inputs.items() if not key.startswith("decoder_")}
    with torch.no_grad():
        return {
            f"use_cache={cache}": model.generate(
                **given, max_new_tokens=4, min_new_tokens=4, do_sample=False, use_cache=cache
            )
            for cache in (True, False)
        }


def _stepped(model: Any, inputs: dict[str, Any]) -> Answer:
    import torch

    ids = inputs["input_ids"]
    with torch.no_grad():
        first = model(input_ids=ids[:, :-1], use_cache=True)
        step = model(input_ids=ids[:, -1:], past_key_values=first.past_key_values, use_cache=True).logits
        return {"step": step[:, -1], "whole": model(input_ids=ids, use_cache=False).logits[:, -1]}


def _in_double(inputs: Any) -> Any:
    return _mapped(inputs, lambda t: t.double() if t.is_floating_point() else t)


def _mapped(inputs: Any, function: Callable[[Any], Any]) -> Any:
    import torch
    from torch.utils import _pytree as pytree

    return pytree.tree_map_only(torch.Tensor, function, inputs)


def _repeated(inputs: Any, times: int) -> Any:
    """Another batch: every tensor again, with other values where it has real ones."""
    import torch

    def repeat(tensor: Any) -> Any:
        if not tensor.dim():
            return tensor
        more = tensor.repeat(times, *(1,) * (tensor.dim() - 1))
        return (
            more + torch.randn(more.shape, generator=torch.Generator().manual_seed(1))
            if more.is_floating_point()
            else more
        )

    return _mapped(inputs, repeat)


def changes(inputs: Any) -> Iterator[tuple[str, Any]]:
    """Other inputs than the example: batches, sizes of images and lengths of sequences, masks."""
    import torch
    import torch.nn.functional as F

    yield "a batch of three", _repeated(inputs, 3)
    yield "one sample", _mapped(inputs, lambda t: t[:1] if t.dim() else t)
    for name, scales in (("larger", (1.5, 1.5)), ("smaller", (0.5, 0.5)), ("oblong", (1.0, 2.0))):

        def resized(tensor: Any, scales: tuple[float, float] = scales) -> Any:
            if tensor.dim() < 4 or not tensor.is_floating_point():
                return tensor
            sizes = (*tensor.shape[2:-2], *(int(n * s) for n, s in zip(tensor.shape[-2:], scales, strict=True)))
            return F.interpolate(tensor, sizes)

        other = _mapped(inputs, resized)
        if [t.shape for t in _leaves(other)] != [t.shape for t in _leaves(inputs)]:
            yield f"{name} images", other
    if not isinstance(inputs, dict) or "input_ids" not in inputs:
        return
    for length in (1, 5, 24):
        longer = {
            key: value.repeat(1, 2)[:, :length] if value.dim() == 2 and not value.is_floating_point() else value
            for key, value in inputs.items()
        }
        yield f"{length} tokens", longer
    mask = torch.ones_like(inputs["input_ids"])
    mask[:, -3:] = 0
    yield "padded at the end", {**inputs, "attention_mask": mask}
    yield "padded at the beginning", {**inputs, "attention_mask": mask.flip(1)}


def _leaves(inputs: Any) -> list[Any]:
    import torch
    from torch.utils import _pytree as pytree

    return [leaf for leaf in pytree.tree_leaves(inputs) if isinstance(leaf, torch.Tensor)]


def _onnx(model: Any, small: Any, inputs: Any) -> str:
    """`done`, where it agrees in ONNX Runtime; else `refused`, `not even unpruned` or `wrong`, and why."""
    from prunus.errors import InputError
    from prunus.export import write_onnx

    with tempfile.TemporaryDirectory() as folder:
        try:
            write_onnx(small, inputs, Path(folder) / "small.onnx")
            return "done"
        except Exception as error:
            failure = error
        try:
            write_onnx(copy.deepcopy(model).eval(), inputs, Path(folder) / "whole.onnx")
        except Exception:
            if isinstance(failure, InputError):
                return f"not even unpruned: {_first_line(failure)}"
    kind = "refused" if isinstance(failure, InputError) else "wrong"
    return f"{kind}: {_first_line(failure)}"


if __name__ == "__main__":
    main()
