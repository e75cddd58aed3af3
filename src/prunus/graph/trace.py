"""From a model and example inputs to a graph of ATen operations."""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.utils import _pytree as pytree

from prunus.errors import InputError
from prunus.graph.copying import fresh_copy
from prunus.graph.node import Graph
from prunus.graph.recording import record
from prunus.quiet import quiet

Call: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
TRAIN = "train."  # before the names of nodes that were traced in training mode
LIBRARIES = tuple(f"{folder}{os.sep}" for folder in (Path(torch.__file__).parent, Path(__file__).parents[1]))
"""Folders of torch itself and of prunus."""


def as_call(example_inputs: Any) -> Call:
    """Example inputs as positional and named arguments: a lone tensor is the only one."""
    if isinstance(example_inputs, Mapping):
        return (), dict(example_inputs)
    return (tuple(example_inputs) if isinstance(example_inputs, (tuple, list)) else (example_inputs,)), {}


def trace(
    model: nn.Module, example_inputs: Any, train: bool = False, live: Sequence[str] = (), beside: bool = False
) -> Graph:
    """Execute the model without values and record what it does; the model is left as it was.

    By watching it run, or, where that does not tell, by torch.export, which takes ten times as long.

    example_inputs: a tensor, a tuple of positional arguments, or a dictionary of named ones.
    All tensors that the model returns are outputs, those in objects, too, but for a cache of keys and values.
    train: in training mode. live: modules that are in training mode even if the rest is not. beside: as a second graph,
    which may compute something else.
    Raises `InputError` if the model does not run on them, can't be traced, or computes something else with live ones.
    """
    args, kwargs = as_call(example_inputs)
    prefix = TRAIN if train or beside else ""
    if not live:
        with contextlib.suppress(Exception), quiet():  # whatever a model raises whose tensors have no values
            return record(model, args, kwargs, train, prefix)
    try:
        with quiet():
            from prunus.graph.exporting import export  # brings sympy, a second, which most models do without

            return export(model, args, kwargs, train, prefix, live, beside)
    except Exception as error:  # torch.export raises many kinds
        _run(fresh_copy(model).train(train), args, kwargs)
        raise InputError(
            f"{type(model).__name__} can't be traced",
            _first_line(error) + _place(error),
            "a forward that decides by the values of tensors can't be pruned by channels; rewrite that part",
        ) from error


def _run(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        with torch.no_grad():
            model(*args, **kwargs)
    except Exception as error:
        raise InputError(
            f"{type(model).__name__} does not run on the example inputs",
            _first_line(error),
            f"give inputs of the right shapes; these are {_shapes((args, kwargs))}",
        ) from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _place(error: BaseException) -> str:
    """The last line of code outside torch that was running when it happened, at the latest in what it came from."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if not frame.filename.startswith(LIBRARIES) and frame.line]
    return f" (at {outside[-1].filename}:{outside[-1].lineno}: {outside[-1].line})" if outside else ""


def _shapes(arguments: Any) -> str:
    leaves = pytree.tree_leaves(arguments)
    return ", ".join(str(tuple(a.shape)) if isinstance(a, torch.Tensor) else repr(a) for a in leaves) or "none"
