"""Saving and loading without pickle: safetensors, with the structure as JSON in its header."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from prunus.channels.adapting import adapt
from prunus.channels.graph_json import graph_from_json, graph_to_json
from prunus.channels.network import GraphNetwork
from prunus.channels.retracing import Retracer, retracer_for
from prunus.channels.structure import VERSION, Step, Structure, form_of, named_tensors, restore, steps_to, structure_of
from prunus.channels.tensors import cut_tensors
from prunus.errors import InputError, nearest
from prunus.store.files import file_to_write, write_atomically
from prunus.trace.inventory import held_tensors, unwrapped

KEY = "prunus"


def save(model: nn.Module, path: str | Path) -> None:
    """Write a model, shrunk or not, to one safetensors file whose header tells what was cut; no pickle.

    A power cut leaves the old file or the new one. Of a model that is compiled, or trained in parallel, the file holds
    the model itself.

    Args:
        model: the network; of a shrunk one, all of its cuts are kept.
        path: of the file, which is replaced where it is there.

    Raises:
        InputError: the path is a folder, or in none that there is.
        DiskFullError: the disk is full; what was there before stays.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> model = nn.Linear(4, 2)
        >>> with TemporaryDirectory() as folder:
        ...     save(model, Path(folder) / "small.safetensors")
        ...     again = load(Path(folder) / "small.safetensors", lambda: nn.Linear(4, 2))
        >>> bool(torch.equal(again.weight, model.weight))
        True
    """
    path, model = file_to_write(path), unwrapped(model)
    structure = structure_of(model)
    if isinstance(model, GraphNetwork):
        structure = structure.model_copy(update={"form": "graph", "graph": graph_to_json(model._graph)})
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in named_tensors(model).items()}
    write_atomically(path, to_bytes(tensors, {KEY: structure.model_dump_json(exclude_defaults=True)}))


def load(path: str | Path, build: Callable[[], nn.Module] | None = None) -> nn.Module:
    """The model that `save` wrote; loading it runs no code but `build`.

    Args:
        path: of the file.
        build: makes the unpruned model, as it was before, or with the first of its cuts; needed unless the file holds
            a rewritten graph. With it, such a graph takes what the class takes, other sizes among it; without, what it
            was traced with.

    Returns:
        The network with its weights, in the mode in which it was saved.

    Raises:
        InputError: the file is damaged, of another version, or does not fit what `build` makes.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from prunus.channels.by_name import prune_channels
        >>> def build():
        ...     return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> with TemporaryDirectory() as folder:
        ...     save(prune_channels(build(), torch.zeros(1, 4), 0.5).model, Path(folder) / "small.safetensors")
        ...     load(Path(folder) / "small.safetensors", build)[0]
        Linear(in_features=4, out_features=4, bias=True)
    """
    path = Path(path)
    structure, tensors = _read(path)
    if structure.form == "graph":
        return restore(_graph_network(structure, tensors, path, build), structure)
    if build is None:
        raise InputError(
            f"{path} needs the model's own class", "", f"give a function that makes {structure.model_class}"
        )
    if isinstance(build, nn.Module) or not callable(build):
        raise InputError(
            f"An object of type {type(build).__name__} makes no network",
            f"{path} is loaded into a new one",
            f"give a function that makes {structure.model_class}, such as lambda: {structure.model_class}(...)",
        )
    model = _cut(unwrapped(build()), (*structure.earlier, structure))
    _fill(model, tensors, path)
    return restore(model, structure)


def _cut(model: nn.Module, steps: Iterable[Step]) -> nn.Module:
    """The class as it is after these cuts; the first of them are left out where the model has them behind it."""
    wanted, done = list(steps), steps_to(model)
    if [step.plan for step in wanted[: len(done)]] == [step.plan for step in done]:
        wanted = wanted[len(done) :]
    for step in wanted:
        model = adapt(cut_tensors(model, step.plan), step.attributes)
    return model


def _read(path: Path) -> tuple[Structure, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            # Copies are aligned in memory, and kernels are chosen by alignment: the same model gives the same bits.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise InputError(f"There is no file {path}", "", "check the path") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path} is not a safetensors file", str(error), "it is damaged, or another format") from None
    if KEY not in header:
        raise InputError(f"{path} was not saved by prunus", f"its header has no {KEY!r}", "use prunus.save")
    structure = _structure(header[KEY], path)
    found = {name: form_of(tensor) for name, tensor in tensors.items()}
    if found != structure.tensors:
        raise InputError(f"{path} is damaged", "its tensors are not those that its header lists", "save the model anew")
    return structure, tensors


def _structure(text: str, path: Path) -> Structure:
    try:
        data = json.loads(text)
        version = data.get("version", VERSION)
        if version != VERSION:
            older = isinstance(version, int) and version < VERSION
            do = "cut the model anew, or read it with the prunus that wrote it" if older else "update prunus"
            raise InputError(f"{path} has version {version}", f"this prunus reads version {VERSION}", do)
        return Structure.model_validate(data)
    except (ValidationError, ValueError, AttributeError, RecursionError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"The header of {path} can't be read", first, "the file is damaged") from None


def _graph_network(
    structure: Structure, tensors: Mapping[str, Tensor], path: Path, build: Callable[[], nn.Module] | None
) -> GraphNetwork:
    if not isinstance(structure.graph, dict):
        raise InputError(f"{path} holds no graph", "its header says that it does", "the file is damaged")
    graph = graph_from_json(structure.graph, tensors)
    parameters = set(graph.tensors.parameters.values())
    if graph.tensors.names() != set(tensors):
        raise InputError(f"{path} is damaged", "its graph uses other tensors than it holds", "save the model anew")
    made = {
        n: nn.Parameter(t, requires_grad=t.is_floating_point()) if n in parameters else t for n, t in tensors.items()
    }
    return GraphNetwork(graph, made, _retracer(structure, tensors, path, build))


def _retracer(
    structure: Structure, tensors: Mapping[str, Tensor], path: Path, build: Callable[[], nn.Module] | None
) -> Retracer | None:
    """What traces the class anew, where it is given."""
    if build is None:
        return None
    whole = _cut(unwrapped(build()), (step for step in structure.earlier if not step.of_graph))
    plan, narrowed = structure.plan, set(structure.narrowed)
    for step in reversed([step for step in structure.earlier if step.of_graph]):
        plan, narrowed = plan.after(step.plan), narrowed.union(step.narrowed)
    small = held_tensors(cut_tensors(whole, plan, elsewhere=tensors))
    for name in sorted(small.keys() & tensors.keys()):
        if small[name].shape != tensors[name].shape:
            raise InputError(
                f"{name!r} in {path} has the shape {tuple(tensors[name].shape)}",
                f"in what was built it has {tuple(small[name].shape)} after the cut",
                "build the model as it was",
            )
    return retracer_for(whole, plan, narrowed)


def _fill(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    own = named_tensors(model)
    if unknown := sorted(set(tensors) - set(own)):
        raise InputError(f"{path} holds {unknown[0]!r}, which the model has not", "", nearest(unknown[0], own))
    if missing := sorted(set(own) - set(tensors)):
        raise InputError(f"{path} lacks {missing[0]!r}", "the model that was built has it", "build the model as it was")
    with torch.no_grad():
        for name, tensor in tensors.items():
            if form_of(own[name]) != form_of(tensor):
                raise InputError(
                    f"{name!r} in {path} is {_words(tensor)}",
                    f"the model has {_words(own[name])}",
                    "build it as it was",
                )
            own[name].copy_(tensor)


def _words(tensor: Any) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
