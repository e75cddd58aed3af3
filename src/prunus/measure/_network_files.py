"""One network on its way into files: what runtimes write it from, and what they have written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunus.errors import PrunusError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from prunus.export import OnnxTemplates, WrittenFile


FLOATS = "fp32.onnx"


class NetworkFiles:
    """A network, and the files that runtimes write of it into one folder, one for each format.

    model: on the CPU; runtimes leave it as it is. quantized: the same, computing with rounded inputs, where it is
    quantised, for formats that hold integers. example: a batch of its inputs, as it takes them.
    written: format -> file; what is there already is not written again.
    batch_sizes, threads: at which it will be measured, for formats that hold choices made for them.
    templates: shared by networks that may be of one architecture.
    """

    def __init__(
        self,
        model: nn.Module,
        example: Any,
        folder: Path,
        *,
        written: Iterable[WrittenFile] = (),
        batch_sizes: Sequence[int] = (),
        threads: Sequence[int] = (1,),
        templates: OnnxTemplates | None = None,
        quantized: nn.Module | None = None,
    ) -> None:
        self.model, self.example, self.folder = model, example, folder
        self.batch_sizes, self.threads = tuple(batch_sizes), tuple(threads)
        self.written = {file.format: file for file in written}
        self.quantized, self._templates = quantized, templates
        self._not_exported: dict[str, PrunusError] = {}

    @property
    def positional(self) -> tuple[nn.Module, tuple[Tensor, ...]]:
        """The network with its inputs one after the other, and the example of them, as a file has them."""
        from prunus.export import as_tuple, positional

        return positional(self.model, self.example), as_tuple(self.example)

    def path(self, file_format: str) -> Path:
        """Where the file of a format belongs, or the folder of one that consists of several files."""
        return network_path(self.folder, file_format)

    def onnx(self) -> WrittenFile:
        """The network as ONNX, with integers where it is quantised, for runtimes that take it or convert it.

        Exported once. Raises as `write_onnx` does.
        """
        return self._exported("onnx", self.quantized or self.model)

    def onnx_of_floats(self) -> WrittenFile:
        """The network as ONNX in fp32, its weights rounded where it is quantised, for runtimes without integers."""
        return self.onnx() if self.quantized is None else self._exported(FLOATS, self.model)

    def _exported(self, kind: str, model: nn.Module) -> WrittenFile:
        from prunus.export import write_onnx

        if kind in self._not_exported:
            raise self._not_exported[kind]
        if kind not in self.written:
            try:
                written = write_onnx(model, self.example, self.path(kind), self._templates)
            except PrunusError as error:
                self._not_exported[kind] = error
                raise
            self.written[kind] = replace(written, format=kind)
        return self.written[kind]


def network_path(folder: Path, file_format: str) -> Path:
    """Where a network of this format lies in its folder."""
    return folder / f"model.{file_format}"
