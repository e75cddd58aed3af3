"""Running a model once for the recorder: in imagination where shapes will do, else really, on copies of its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_leaves, tree_map_only

from prunus.cost.origins import Origins
from prunus.cost.recorder import Recorder
from prunus.cost.undisturbed import clone_tensors, undisturbed
from prunus.errors import InputError

SMALL_PARAMETERS = 100_000
"""To run so small a model on one input takes a tenth of the time that imagining it does."""

Inputs = Tensor | Sequence[Any] | Mapping[str, Any]


def record(model: nn.Module, example_inputs: Inputs) -> Recorder:
    """Run the model on the first of its example inputs. The model, its mode and all RNGs are as before.

    Where it takes them only together, such as a graph's nodes and their edges, it is run on all of them.
    Raises `InputError` where the model cannot be run on them.
    """
    one = first_of_batch(example_inputs)
    if lazy := [name for name, parameter in model.named_parameters() if is_lazy(parameter)]:
        raise InputError(
            f"The cost of {type(model).__name__} cannot be counted yet",
            f"'{lazy[0]}' takes its shape from the first input",
            "run the model once before",
        )
    if empty := [name for name, parameter in model.named_parameters() if parameter.is_meta]:
        raise InputError(
            f"The cost of {type(model).__name__} cannot be counted",
            f"'{empty[0]}' is on the meta device and has no values, so its zeros cannot be counted",
            "load the weights, or build the model on the CPU",
        )
    try:
        return _somehow(model, one)
    except InputError as error:
        try:
            return _somehow(model, example_inputs)
        except InputError:
            raise error from None


def _somehow(model: nn.Module, inputs: Inputs) -> Recorder:
    if sum(parameter.numel() for parameter in model.parameters()) <= SMALL_PARAMETERS:
        return _real(model, inputs)
    return _imagined(model, inputs) or _real(model, inputs)


def _imagined(model: nn.Module, inputs: Inputs) -> Recorder | None:
    """Run with fake activations; None where that fails, for whatever reason: the real run decides."""
    try:
        with undisturbed(model):
            return _run(model, inputs, imagined=True)
    except Exception:  # a branch on values, numpy, an operation without a shape rule, ...
        return None


def _real(model: nn.Module, inputs: Inputs) -> Recorder:
    try:
        with undisturbed(model):
            clone_tensors(model)
            return _run(model, inputs, imagined=False)
    except Exception as error:
        shapes = ", ".join(str(tuple(leaf.shape)) for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor))
        raise InputError(
            f"{type(model).__name__} cannot be run on an input of shape {shapes}",
            (str(error).strip() or type(error).__name__).splitlines()[0],
            "give an example input that the model takes",
        ) from error


def _run(model: nn.Module, inputs: Inputs, *, imagined: bool) -> Recorder:
    if imagined:
        mode = FakeTensorMode(allow_non_fake_inputs=True)
        inputs = tree_map_only(Tensor, mode.from_tensor, inputs)
    else:
        inputs = tree_map_only(Tensor, Tensor.clone, inputs)
    tensors = [leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor)]
    recorder = Recorder(Origins(model, tensors), imagined=imagined)
    with recorder.following(model):
        if isinstance(inputs, Tensor):
            model(inputs)
        elif isinstance(inputs, Mapping):
            model(**inputs)
        else:
            model(*inputs)
    return recorder


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
