"""Saving and loading without pickle: safetensors, with the structure as JSON in its header."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from prunus.errors import InputError, nearest
from prunus.store.files import write_atomically
from prunus.surgery.explain import adapt_attributes
from prunus.surgery.graph_json import graph_from_json, graph_to_json
from prunus.surgery.network import GraphNetwork
from prunus.surgery.structure import VERSION, Structure, form_of, named_tensors, restore, structure_of
from prunus.surgery.tensors import cut_tensors

KEY = "prunus"


def save(model: nn.Module, path: str | Path) -> None:
    """Write a model, shrunk or not, so that a power cut leaves the old file or the new one."""
    structure = structure_of(model)
    if isinstance(model, GraphNetwork):
        structure = structure.model_copy(update={"form": "graph", "graph": graph_to_json(model._graph)})
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in named_tensors(model).items()}
    write_atomically(Path(path), to_bytes(tensors, {KEY: structure.model_dump_json(exclude_defaults=True)}))


def load(path: str | Path, build: Callable[[], nn.Module] | None = None) -> nn.Module:
    """The saved model.

    build: makes the unpruned model, as it was before; needed unless the file holds a rewritten graph.
    Raises `InputError` for a file that is damaged, of another version, or does not fit what `build` makes.
    """
    path = Path(path)
    structure, tensors = _read(path)
    if structure.form == "graph":
        return restore(_graph_network(structure, tensors, path), structure)
    if build is None:
        raise InputError(
            f"{path} needs the model's own class", "", f"give a function that makes {structure.model_class}"
        )
    model = build()
    for step in (*structure.earlier, structure):
        model = cut_tensors(model, step.plan)
        adapt_attributes(model, step.numbers)
    _fill(model, tensors, path)
    return restore(model, structure)


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
            raise InputError(f"{path} has version {version}", f"this prunus reads version {VERSION}", "update prunus")
        return Structure.model_validate(data)
    except (ValidationError, ValueError, AttributeError, RecursionError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"The header of {path} can't be read", first, "the file is damaged") from None


def _graph_network(structure: Structure, tensors: Mapping[str, Tensor], path: Path) -> GraphNetwork:
    if not isinstance(structure.graph, dict):
        raise InputError(f"{path} holds no graph", "its header says that it does", "the file is damaged")
    graph = graph_from_json(structure.graph, tensors)
    parameters = set(graph.tensors.parameters.values())
    if graph.tensors.names() != set(tensors):
        raise InputError(f"{path} is damaged", "its graph uses other tensors than it holds", "save the model anew")
    made = {
        n: nn.Parameter(t, requires_grad=t.is_floating_point()) if n in parameters else t for n, t in tensors.items()
    }
    return GraphNetwork(graph, made)


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
