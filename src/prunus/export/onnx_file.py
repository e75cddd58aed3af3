"""Writing a network as one ONNX file that was run again before it counts as written."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from prunus.errors import InputError, PrunusError
from prunus.export.comparison import LIMIT, onnx_deviation
from prunus.export.example import Examples, as_tuple, input_names
from prunus.export.onnx_template import OnnxTemplate, innermost
from prunus.export.written import WrittenFile, write_network_file
from prunus.graph.results import plain


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
        for template in self._templates:
            if template.fits(model) and (filled := _filled(template, model, inputs)):
                return filled
        template = OnnxTemplate.from_model(model, inputs, names)
        self.exports += 1
        content = template.fill(model)
        try:
            deviation = onnx_deviation(content, model, inputs)
        except PrunusError:
            raise
        except Exception as error:  # of the model itself, or of ONNX Runtime
            raise InputError(
                f"{type(model).__name__} cannot be exported to ONNX",
                f"it does not run with another batch size than the example's: {innermost(error)}",
                "inputs as long as the first one are taken for batches: give an example of another batch size",
            ) from error
        if deviation > LIMIT:
            raise PrunusError(
                f"The ONNX file of {type(model).__name__} does not compute what the network does",
                f"its outputs differ by {deviation:.1e} of the largest one, and {LIMIT:.0e} is the limit",
                "it was not written; please report the network",
            )
        if template.complete:
            self._templates.insert(0, template)
        return content, deviation


class _ByPosition(nn.Module):
    """A network that takes its named inputs one after the other."""

    def __init__(self, network: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.network, self.names = network, tuple(names)

    def forward(self, *inputs: Tensor) -> Any:
        return self.network(**dict(zip(self.names, inputs, strict=True)))


def write_onnx(
    model: nn.Module, example_inputs: Examples, path: str | Path, templates: OnnxTemplates | None = None
) -> WrittenFile:
    """Write one fp32 ONNX file with an open batch dimension; inputs are `input` or `input_0`, `input_1`, ..., or go by
    the names of a dictionary. All tensors that the model returns are its outputs.

    It is checked, run in ONNX Runtime at batch sizes 1 and 3, and compared with the model, which stays as it was.
    Raises `InputError` where the model cannot be exported, `PrunusError` where the file deviates by more than 1e-4.
    """
    inputs = tuple(tensor.detach().cpu() for tensor in as_tuple(example_inputs))
    inputs = tuple(tensor.float() if tensor.is_floating_point() else tensor for tensor in inputs)
    names = input_names(example_inputs)
    with _exportable(model) as one:
        one = _ByPosition(one, names) if isinstance(example_inputs, Mapping) else one
        content, deviation = (templates or OnnxTemplates()).content(one, inputs, names)
    return write_network_file("onnx", Path(path), content, deviation)


def _filled(template: OnnxTemplate, model: nn.Module, inputs: Sequence[Tensor]) -> tuple[bytes, float] | None:
    """The template with the model's weights; None where that is not the network."""
    try:
        content = template.fill(model)
        deviation = onnx_deviation(content, model, inputs)
    except PrunusError:
        raise
    except Exception:  # sizes that do not go together: checker, optimiser and runtime each have their own error
        return None
    return (content, deviation) if deviation <= LIMIT else None


def _tensors(result: Any) -> Any:
    """What an ONNX file can return of a model's results: without caches and such."""
    return tuple(leaf for leaf in tree_leaves(plain(result)) if isinstance(leaf, Tensor))


@contextmanager
def _exportable(model: nn.Module) -> Iterator[nn.Module]:
    """The model in evaluation mode on the CPU in fp32: itself where that needs no copy. It returns tensors alone."""
    tensors = [*model.parameters(), *model.buffers()]
    if any(t.device.type != "cpu" or (t.is_floating_point() and t.dtype != torch.float32) for t in tensors):
        model = copy.deepcopy(model).to("cpu", torch.float32)
    modes = {module: module.training for module in model.modules()}
    hook = model.register_forward_hook(lambda _module, _inputs, result: _tensors(result))
    try:
        yield model.eval()
    finally:
        hook.remove()
        for module, mode in modes.items():
            module.training = mode
