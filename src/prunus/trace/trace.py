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

from prunus.errors import InputError, first_line
from prunus.graph.node import Graph
from prunus.system.quiet import quiet
from prunus.trace.copying import fresh_copy
from prunus.trace.data_dependence import NoSizesOfValues, SizeOfValuesError, as_if_exported
from prunus.trace.recording import record
from prunus.trace.shapes import apart, following

Call: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
TRAIN = "train."  # before the names of nodes that were traced in training mode
LIBRARIES = tuple(f"{folder}{os.sep}" for folder in (Path(torch.__file__).parent, Path(__file__).parents[1]))
"""Folders of torch itself and of prunus."""


class UntraceableError(InputError):
    """A model that runs on the example inputs can't be traced."""


def as_call(example_inputs: Any) -> Call:
    """Example inputs as positional and named arguments: a lone tensor is the only one."""
    if isinstance(example_inputs, Mapping):
        return (), dict(example_inputs)
    return (tuple(example_inputs) if isinstance(example_inputs, (tuple, list)) else (example_inputs,)), {}


def trace(
    model: nn.Module, example_inputs: Any, train: bool = False, live: Sequence[str] = (), beside: str = ""
) -> Graph:
    """Execute the model without values and record what it does; the model is left as it was.

    By recording a run on meta tensors, or, where that does not tell, by torch.export, which takes ten times as long.

    example_inputs: a tensor, a tuple of positional arguments, or a dictionary of named ones.
    All tensors that the model returns are outputs, those in objects, too, but for a cache of keys and values.
    train: in training mode. live: modules that are in training mode even if the rest is not. beside: what the names of
    nodes begin with, as a second graph, which may compute something else.
    Raises `InputError` if the model does not run on them, can't be traced, or computes something else with live ones.
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise InputError(
            f"{type(model).__name__} can't be traced",
            "it was compiled by TorchScript, and its code is no longer Python's",
            "give the torch.nn.Module that it was made of",
        )
    args, kwargs = as_call(example_inputs)
    _refuse_empty(model, (args, kwargs))
    prefix = beside or (TRAIN if train else "")
    if not live:
        with contextlib.suppress(Exception), quiet():  # whatever a model raises whose tensors have no values
            return record(model, args, kwargs, train, prefix)
        _refuse_sizes_of_values(model, args, kwargs, train)
    try:
        with quiet():
            from prunus.trace.exporting import export  # brings sympy, a second, which most models do without

            return export(model, args, kwargs, train, prefix, live, bool(beside))
    except Exception as error:  # torch.export raises many kinds
        run_once(fresh_copy(model).train(train), args, kwargs)
        raise _untraceable(model, first_line(error) + _place(error)) from error


def _refuse_empty(model: nn.Module, call: Call) -> None:
    """Raises `InputError` where no input holds a value, since what comes of them could not be compared."""
    tensors = [leaf for leaf in pytree.tree_leaves(call) if isinstance(leaf, torch.Tensor)]
    if tensors and not any(tensor.numel() for tensor in tensors):
        raise InputError(
            f"{type(model).__name__} can't be traced on the example inputs",
            f"they hold no values: {_shapes(call)}",
            "give a batch of one sample or more",
        )


def _untraceable(model: nn.Module, why: str) -> UntraceableError:
    do = "a forward that decides by the values of tensors can't be pruned by channels; rewrite that part"
    return UntraceableError(f"{type(model).__name__} can't be traced", why, do)


def _refuse_sizes_of_values(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], train: bool) -> None:
    """Raises `UntraceableError` where torch.export would fail, too, only much later."""
    copy = fresh_copy(model).train(train)
    try:
        with quiet(), apart(), torch.inference_mode(), following(copy) as running, as_if_exported():
            inputs = pytree.tree_map(_cloned, (args, kwargs))
            with NoSizesOfValues(running):
                copy(*inputs[0], **inputs[1])
    except SizeOfValuesError as error:
        raise _untraceable(model, str(error)) from None
    except Exception:  # whatever a model raises that runs in another way than it does alone: torch.export will tell
        return


def _cloned(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else value


def run_once(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raises `InputError`, with what the model says, where it does not run on these inputs."""
    try:
        with torch.no_grad():
            model(*args, **kwargs)
    except Exception as error:
        raise InputError(
            f"{type(model).__name__} does not run on the example inputs",
            first_line(error),
            f"give inputs of the right shapes; these are {_shapes((args, kwargs))}",
        ) from error


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
