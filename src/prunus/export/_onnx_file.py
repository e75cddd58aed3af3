"""Writing a network as one ONNX file that was run again before it counts as written."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from prunus.errors import InputError, PrunusError
from prunus.export._comparison import LIMIT, checked, evaluating, largest_deviation, onnx_run
from prunus.export._onnx_template import OnnxTemplate, innermost
from prunus.export._quantized_onnx import checked_integers
from prunus.export._written import WrittenFile, write_network_file
from prunus.export.example import Examples, as_tuple, class_name, input_names, positional
from prunus.quantization import Scheme, detach, quantized_layers
from prunus.trace.results import plain as plain_values


class OnnxTemplates:
    """Graphs of architectures already exported, for `write_onnx` calls of one study to share.

    Exporting a graph takes seconds, putting other weights into it milliseconds. Every file is run and compared, so a
    graph that turns out not to be the network's (sizes that the export wrote into it) only costs a fresh export.
    """

    def __init__(self) -> None:
        self._templates: list[OnnxTemplate] = []
        self.exports = 0

    def content(self, model: nn.Module, inputs: Sequence[Tensor], names: Sequence[str]) -> tuple[bytes, float]:
        """The file's content and its deviation. Raises `PrunusError` where a fresh export deviates too much."""
        plain, scheme = _without_quantizers(model)
        for template in self._templates:
            if template.fits(plain) and (filled := _filled(template, model, plain, scheme, inputs)):
                return filled
        template = OnnxTemplate.from_model(plain, inputs, names)
        self.exports += 1
        content = template.fill_own(plain, scheme)
        try:
            deviation = _checked(content, model, scheme, inputs)
        except PrunusError:
            raise
        except Exception as error:  # of the model itself, or of ONNX Runtime
            raise InputError(
                f"{class_name(model)} cannot be exported to ONNX",
                f"it does not run with another batch size than the example's: {innermost(error)}",
                "inputs as long as the first one are taken for batches: give an example of another batch size",
            ) from error
        if template.complete:
            self._templates.insert(0, template)
        return content, deviation


def write_onnx(
    model: nn.Module, example_inputs: Examples, path: str | Path, templates: OnnxTemplates | None = None
) -> WrittenFile:
    """Write one ONNX file with an open batch dimension, and run it again in ONNX Runtime.

    It is checked at several batch sizes and compared with the model, which stays as it was. A network that `quantize`
    or a recipe's bits have quantised is written as integers with their scales (QuantizeLinear, DequantizeLinear), all
    others in fp32.

    Args:
        model: the network.
        example_inputs: a tensor, several, or a dictionary of named ones, each with the batch as dimension 0. The file's
            inputs are `input`, or `input_0`, `input_1`, ..., or go by the names of the dictionary; its outputs are all
            tensors that the model returns.
        path: of the file.
        templates: keeps the graphs of networks that were exported, so that another of the same kind is written sooner.

    Returns:
        The file's path, size in bytes, SHA-256, and the largest difference seen, relative to the largest output.

    Raises:
        InputError: the model cannot be exported.
        PrunusError: the file deviates from the model by more than 1e-4; a quantised one's by more than its rounding
            explains.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = write_onnx(nn.Linear(4, 2), torch.randn(1, 4), f"{folder}/a.onnx")
        >>> file.format, file.deviation < 1e-5
        ('onnx', True)
    """
    inputs = tuple(tensor.detach().cpu() for tensor in as_tuple(example_inputs))
    inputs = tuple(tensor.float() if tensor.is_floating_point() else tensor for tensor in inputs)
    names = input_names(example_inputs)
    with _exportable(model) as one:
        content, deviation = (templates or OnnxTemplates()).content(positional(one, example_inputs), inputs, names)
    return write_network_file("onnx", Path(path), content, deviation)


def _without_quantizers(model: nn.Module) -> tuple[nn.Module, Scheme]:
    """The model with its rounded weights in plain layers, and how they are rounded; itself where nothing is."""
    if not quantized_layers(model):
        return model, {}
    plain = copy.deepcopy(model)
    return plain, detach(plain)


def _checked(content: bytes, model: nn.Module, scheme: Scheme, inputs: Sequence[Tensor]) -> float:
    return checked_integers(content, model, inputs) if scheme else checked("ONNX", onnx_run(content), model, inputs)


def _filled(
    template: OnnxTemplate, model: nn.Module, plain: nn.Module, scheme: Scheme, inputs: Sequence[Tensor]
) -> tuple[bytes, float] | None:
    """The template with the model's weights; None where that is not the network."""
    try:
        content = template.fill(plain, scheme)
        if scheme:
            return content, checked_integers(content, model, inputs)
        deviation = largest_deviation(onnx_run(content), model, inputs)
    except PrunusError:
        raise
    except Exception:  # sizes that do not go together: checker, optimiser and runtime each have their own error
        return None
    return (content, deviation) if deviation <= LIMIT else None


def _tensors(result: Any) -> Any:
    """What an ONNX file can return of a model's results: without caches and such."""
    return tuple(leaf for leaf in tree_leaves(plain_values(result)) if isinstance(leaf, Tensor))


@contextmanager
def _exportable(model: nn.Module) -> Iterator[nn.Module]:
    """The model in evaluation mode on the CPU in fp32: itself where that needs no copy. It returns tensors alone."""
    tensors = [*model.parameters(), *model.buffers()]
    if any(t.device.type != "cpu" or (t.is_floating_point() and t.dtype != torch.float32) for t in tensors):
        model = copy.deepcopy(model).to("cpu", torch.float32)
    hook = model.register_forward_hook(lambda _module, _inputs, result: _tensors(result))
    try:
        with evaluating(model):
            yield model
    finally:
        hook.remove()
