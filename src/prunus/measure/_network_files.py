"""One network on its way into files: what runtimes write it from, and what they have written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunus.errors import PrunusError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from prunus.export import OnnxTemplates, WrittenFile


class NetworkFiles:
    """A network, and the files that runtimes write of it into one folder, one for each format.

    model: on the CPU; runtimes leave it as it is. example: a batch of its inputs, as it takes them.
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
    ) -> None:
        self.model, self.example, self.folder = model, example, folder
        self.batch_sizes, self.threads = tuple(batch_sizes), tuple(threads)
        self.written = {file.format: file for file in written}
        self._templates = templates
        self._not_exported: PrunusError | None = None

    @property
    def positional(self) -> tuple[nn.Module, tuple[Tensor, ...]]:
        """The network with its inputs one after the other, and the example of them, as a file has them."""
        from prunus.export import as_tuple, positional

        return positional(self.model, self.example), as_tuple(self.example)

    def path(self, file_format: str) -> Path:
        """Where the file of a format belongs, or the folder of one that consists of several files."""
        return network_path(self.folder, file_format)

    def onnx(self) -> WrittenFile:
        """The network as ONNX, for runtimes that take it or convert it; exported once. Raises as `write_onnx` does."""
        from prunus.export import write_onnx

        if self._not_exported is not None:
            raise self._not_exported
        if "onnx" not in self.written:
            try:
                self.written["onnx"] = write_onnx(self.model, self.example, self.path("onnx"), self._templates)
            except PrunusError as error:
                self._not_exported = error
                raise
        return self.written["onnx"]


def network_path(folder: Path, file_format: str) -> Path:
    """Where a network of this format lies in its folder."""
    return folder / f"model.{file_format}"
