"""Running a model once for the recorder: in imagination where shapes will do, else really, on copies of its tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_leaves, tree_map_only

from prunus.cost.origins import Origins, memory_of
from prunus.cost.recorder import Call, Recorder
from prunus.cost.undisturbed import clone_tensors, undisturbed
from prunus.errors import InputError
from prunus.graph.copying import exact_copy
from prunus.graph.shapes import NotImaginableError, Shapes, apart, following, shapes_of

SMALL_PARAMETERS = 100_000
"""So small a model is run on one input sooner than it is copied without values."""

Inputs = Tensor | Sequence[Any] | Mapping[str, Any]


def record(model: nn.Module, example_inputs: Inputs) -> Recorder:
    """Run the model on the first of its example inputs. The model, its mode and all RNGs are as before.

    Where it takes them only together, such as a graph's nodes and their edges, it is run on all of them.
    Raises `InputError` where the model cannot be run on them.
    """
    one = first_of_batch(example_inputs)
    parameters = dict(model.named_parameters())
    if lazy := [name for name, parameter in parameters.items() if is_lazy(parameter)]:
        raise InputError(
            f"The cost of {type(model).__name__} cannot be counted yet",
            f"'{lazy[0]}' takes its shape from the first input",
            "run the model once before",
        )
    if empty := [name for name, parameter in parameters.items() if parameter.is_meta]:
        raise InputError(
            f"The cost of {type(model).__name__} cannot be counted",
            f"'{empty[0]}' is on the meta device and has no values, so its zeros cannot be counted",
            "load the weights, or build the model on the CPU",
        )
    small = sum(parameter.numel() for parameter in parameters.values()) <= SMALL_PARAMETERS
    try:
        return _once(model, one, really=small or _may_point_at_samples(example_inputs, one))
    except InputError as error:
        try:
            return _once(model, example_inputs, really=small)
        except InputError:
            raise error from None


def _may_point_at_samples(inputs: Inputs, one: Inputs) -> bool:
    """Whether a batch was cut beside whole numbers that were not: whether these still fit, only a real run shows."""
    pairs = [(a, b) for a, b in zip(tree_leaves(inputs), tree_leaves(one), strict=True) if isinstance(a, Tensor)]
    cut = any(a.shape != b.shape for a, b in pairs)
    return cut and any(a.shape == b.shape and a.dim() > 0 and not a.is_floating_point() for a, b in pairs)


def _once(model: nn.Module, inputs: Inputs, *, really: bool) -> Recorder:
    return (None if really else _imagined(model, inputs)) or _real(model, inputs)


def _imagined(model: nn.Module, inputs: Inputs) -> Recorder | None:
    """Run without values; None where that fails, for whatever reason: the real run decides."""
    try:
        shapes = shapes_of(model, inputs, exact_copy)
        with apart(), torch.inference_mode():  # which leaves composite operations whole
            recorder = _run(shapes.model.eval(), shapes.inputs, imagined=True)
        recorder.calls[:] = _with_values(recorder.calls, shapes)
        return recorder
    except Exception:  # a branch on values, numpy, an operation without a shape rule, a weight that is computed, ...
        return None


def _with_values(calls: list[Call], shapes: Shapes) -> Iterator[Call]:
    """The calls with the model's own weights, seen as the run saw them."""
    values = {memory_of(shapes.twins[id(tensor)]): tensor for tensor in shapes.held.values()}
    for call in calls:
        if call.weight is None:
            yield call
            continue
        bare = call.weight.tensor
        own = values.get(memory_of(bare))
        if own is None or own.stride() != shapes.twins[id(own)].stride() or own.dtype != bare.dtype:
            raise NotImaginableError("a weight that is computed")
        seen = own.detach().as_strided(bare.shape, bare.stride(), own.storage_offset() + bare.storage_offset())
        yield replace(call, weight=replace(call.weight, tensor=seen))


def _real(model: nn.Module, inputs: Inputs) -> Recorder:
    try:
        with undisturbed(model):
            clone_tensors(model)
            return _run(model, tree_map_only(Tensor, Tensor.clone, inputs), imagined=False)
    except Exception as error:
        shapes = ", ".join(str(tuple(leaf.shape)) for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor))
        raise InputError(
            f"{type(model).__name__} cannot be run on an input of shape {shapes}",
            (str(error).strip() or type(error).__name__).splitlines()[0],
            "give an example input that the model takes",
        ) from error


def _run(model: nn.Module, inputs: Inputs, *, imagined: bool) -> Recorder:
    tensors = [leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor)]
    with following(model) as running:
        recorder = Recorder(Origins(model, tensors), running, imagined=imagined)
        with recorder:
            _call(model, inputs)
    return recorder


def _call(model: nn.Module, inputs: Inputs) -> None:
    if isinstance(inputs, Tensor):
        model(inputs)
    elif isinstance(inputs, Mapping):
        model(**inputs)
    else:
        model(*inputs)


def first_of_batch(example_inputs: Inputs) -> Inputs:
    """The example inputs cut to a batch of one: in every tensor whose first dimension is as long as the first one's."""
    tensors = [leaf for leaf in tree_leaves(example_inputs) if isinstance(leaf, Tensor) and leaf.dim() > 0]
    if not tensors:
        raise InputError("There is no tensor among the example inputs", "a run needs one", "give one")
    batch = tensors[0].shape[0]

    def cut(tensor: Tensor) -> Tensor:
        return tensor[:1] if tensor.dim() > 0 and tensor.shape[0] == batch else tensor

    result: Inputs = tree_map_only(Tensor, cut, example_inputs)
    return result
