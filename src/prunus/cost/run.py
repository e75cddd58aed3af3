"""Running a model once for the recorder: on meta tensors where shapes will do, else on copies of its tensors."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_leaves, tree_map_only

from prunus.cost.recorder import Call, CallRecorder, Origins, memory_of
from prunus.errors import InputError, PrunusError
from prunus.trace.copying import exact_copy
from prunus.trace.inventory import changing
from prunus.trace.shapes import NeedsValuesError, Shapes, apart, following, shapes_of

SMALL_PARAMETERS = 100_000
"""So small a model is run on one input sooner than it is copied without values."""

Inputs = Tensor | Sequence[Any] | Mapping[str, Any]


def record(model: nn.Module, example_inputs: Inputs) -> CallRecorder:
    """Run the model on the first of its example inputs. The model, its mode and all RNGs are as before.

    Where it takes them only together, such as a graph's nodes and their edges, it is run on all of them.
    Raises `InputError` where the model cannot be run on them.
    """
    try:
        return record_one(model, example_inputs)
    except PrunusError as error:
        try:
            return record_all(model, example_inputs)
        except PrunusError:
            raise error from None


def record_one(model: nn.Module, example_inputs: Inputs) -> CallRecorder:
    """`record` of the first example input alone."""
    one = first_of_batch(example_inputs)
    _check_values(model)
    return _once(model, one, really=_is_small(model) or _may_point_at_samples(example_inputs, one))


def record_all(model: nn.Module, example_inputs: Inputs) -> CallRecorder:
    """`record` of all example inputs together."""
    _check_values(model)
    return _once(model, example_inputs, really=_is_small(model))


def _is_small(model: nn.Module) -> bool:
    return sum(parameter.numel() for parameter in model.parameters()) <= SMALL_PARAMETERS


def _check_values(model: nn.Module) -> None:
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


def _may_point_at_samples(inputs: Inputs, one: Inputs) -> bool:
    """Whether a batch was cut beside whole numbers that were not: whether these still fit, only a real run shows."""
    pairs = [(a, b) for a, b in zip(tree_leaves(inputs), tree_leaves(one), strict=True) if isinstance(a, Tensor)]
    cut = any(a.shape != b.shape for a, b in pairs)
    return cut and any(a.shape == b.shape and a.dim() > 0 and not a.is_floating_point() for a, b in pairs)


def _once(model: nn.Module, inputs: Inputs, *, really: bool) -> CallRecorder:
    return (None if really else _on_meta(model, inputs)) or _real(model, inputs)


def _on_meta(model: nn.Module, inputs: Inputs) -> CallRecorder | None:
    """Run without values; None where that fails, for whatever reason: the real run decides."""
    try:
        shapes = shapes_of(model, inputs, exact_copy)
        with apart(), torch.inference_mode():  # which leaves composite operations whole
            recorder = _run(shapes.model.eval(), shapes.inputs, on_meta=True)
        recorder.calls[:] = _with_values(recorder.calls, shapes)
        return recorder
    except Exception:  # a branch on values, numpy, an operation without a shape rule, a weight that is computed, ...
        return None


def _with_values(calls: list[Call], shapes: Shapes) -> Iterator[Call]:
    """The calls with the model's own weights, seen as the run saw them."""
    values = {memory_of(shapes.stand_ins[id(tensor)]): tensor for tensor in shapes.held.values()}
    for call in calls:
        if call.weight is None:
            yield call
            continue
        bare = call.weight.tensor
        own = values.get(memory_of(bare))
        if own is None or own.stride() != shapes.stand_ins[id(own)].stride() or own.dtype != bare.dtype:
            raise NeedsValuesError("a weight that is computed")
        seen = own.detach().as_strided(bare.shape, bare.stride(), own.storage_offset() + bare.storage_offset())
        yield replace(call, weight=replace(call.weight, tensor=seen))


def _real(model: nn.Module, inputs: Inputs) -> CallRecorder:
    try:
        with undisturbed(model):
            clone_tensors(model)
            return _run(model, tree_map_only(Tensor, Tensor.clone, inputs), on_meta=False)
    except Exception as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        if _takes(model, inputs):
            what = f"The cost of {type(model).__name__} cannot be counted"
            raise PrunusError(what, why, "please report this: the model itself runs on the input") from error
        shapes = ", ".join(str(tuple(leaf.shape)) for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor))
        raise InputError(
            f"{type(model).__name__} cannot be run on an input of shape {shapes}",
            why,
            "give an example input that the model takes",
        ) from error


def _takes(model: nn.Module, inputs: Inputs) -> bool:
    """Whether a copy of the model runs on the inputs when nothing is recorded."""
    try:
        with torch.no_grad(), apart():
            _call(exact_copy(model).eval(), tree_map_only(Tensor, Tensor.clone, inputs))
    except Exception:  # whatever the model raises
        return False
    return True


def _run(model: nn.Module, inputs: Inputs, *, on_meta: bool) -> CallRecorder:
    tensors = [leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor)]
    with following(model) as running:
        recorder = CallRecorder(Origins(model, tensors), running, on_meta=on_meta)
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


CONTAINERS = (dict, list, set)


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients within; afterwards, also on failure, the model and all RNGs are as before.

    Covers modes, attributes, hooks, parameters and buffers by reference; values of tensors are the caller's care.
    """
    kept = [_keep(module) for module in model.modules()]
    try:
        with changing(), apart(), torch.no_grad():
            model.eval()
            yield
    finally:
        for restore in kept:
            restore()


def clone_tensors(model: nn.Module) -> None:
    """Give the model copies of all its tensors, shared ones still shared, so that a run cannot change the originals."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        tables: list[dict[str, Any]] = [module._parameters, module._buffers, module.__dict__]
        for table in tables:
            for name, value in table.items():
                if isinstance(value, torch.Tensor):
                    if not value.is_leaf:  # such as a weight computed by a hook
                        memo.setdefault(id(value), value.detach().clone())
                    table[name] = copy.deepcopy(value, memo)


def _keep(module: nn.Module) -> Any:
    """Remember a module's attributes and what their containers hold; return what restores them."""
    attributes = dict(module.__dict__)
    containers = [(value, copy.copy(value)) for value in attributes.values() if isinstance(value, CONTAINERS)]

    def restore() -> None:
        module.__dict__.clear()
        module.__dict__.update(attributes)
        for container, content in containers:
            if not _holds_the_same(container, content):  # else let it be: it may be one that nobody can change
                container.clear()
                container.extend(content) if isinstance(container, list) else container.update(content)

    return restore


def _holds_the_same(container: Any, content: Any) -> bool:
    """Whether two containers hold the very same objects, in the same order."""
    one, other = (each.items() if isinstance(each, dict) else each for each in (container, content))
    pairs = [(a, b) if isinstance(container, dict) else ((a,), (b,)) for a, b in zip(one, other, strict=False)]
    return len(container) == len(content) and all(x is y for a, b in pairs for x, y in zip(a, b, strict=True))
