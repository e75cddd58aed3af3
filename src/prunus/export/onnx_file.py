"""Writing a network as one ONNX file that was run again before it counts as written."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from prunus.errors import PrunusError
from prunus.export.comparison import LIMIT, onnx_deviation
from prunus.export.example import as_tuple
from prunus.export.onnx_template import OnnxTemplate
from prunus.export.written import WrittenFile, write_network_file


class OnnxTemplates:
    """Graphs of architectures already exported, for `write_onnx` calls of one study to share.

    Exporting a graph takes seconds, putting other weights into it milliseconds. Every file is run and compared, so a
    graph that turns out not to be the network's (sizes that the export wrote into it) only costs a fresh export.
    """

    def __init__(self) -> None:
        self._templates: list[OnnxTemplate] = []
        self.exports = 0

    def content(self, model: nn.Module, inputs: Sequence[Tensor]) -> tuple[bytes, float]:
        """The file's content and its deviation. Raises `PrunusError` where a fresh export deviates too much."""
        for template in self._templates:
            if template.fits(model) and (filled := _filled(template, model, inputs)):
                return filled
        template = OnnxTemplate.from_model(model, inputs)
        self.exports += 1
        content = template.fill(model)
        deviation = onnx_deviation(content, model, inputs)
        if deviation > LIMIT:
            raise PrunusError(
                f"The ONNX file of {type(model).__name__} does not compute what the network does",
                f"its outputs differ by {deviation:.1e} of the largest one, and {LIMIT:.0e} is the limit",
                "it was not written; please report the network",
            )
        if template.complete:
            self._templates.insert(0, template)
        return content, deviation


def write_onnx(
    model: nn.Module, example_inputs: Tensor | Sequence[Tensor], path: Path, templates: OnnxTemplates | None = None
) -> WrittenFile:
    """Write one fp32 ONNX file with an open batch dimension; inputs are `input` or `input_0`, `input_1`, ...

    It is checked, run in ONNX Runtime at batch sizes 1 and 3, and compared with the model, which stays as it was.
    Raises `InputError` where the model cannot be exported, `PrunusError` where the file deviates by more than 1e-4.
    """
    inputs = tuple(tensor.detach().cpu() for tensor in as_tuple(example_inputs))
    inputs = tuple(tensor.float() if tensor.is_floating_point() else tensor for tensor in inputs)
    with _exportable(model) as plain:
        content, deviation = (templates or OnnxTemplates()).content(plain, inputs)
    return write_network_file("onnx", path, content, deviation)


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


@contextmanager
def _exportable(model: nn.Module) -> Iterator[nn.Module]:
    """The model in evaluation mode on the CPU in fp32: itself where that needs no copy."""
    tensors = [*model.parameters(), *model.buffers()]
    if any(t.device.type != "cpu" or (t.is_floating_point() and t.dtype != torch.float32) for t in tensors):
        model = copy.deepcopy(model).to("cpu", torch.float32)
    modes = {module: module.training for module in model.modules()}
    try:
        yield model.eval()
    finally:
        for module, mode in modes.items():
            module.training = mode
