"""The project's own sparse runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from prunus.errors import InputError, PrunusError
from prunus.measure._network_files import NetworkFiles
from prunus.measure._runtime import Inputs, Run, Runtime
from prunus.measure.variant import Variant

if TYPE_CHECKING:
    from prunus.export import WrittenFile


class Prunus(Runtime):
    """The sparse runtime: weights that are zero are neither stored nor computed."""

    file_format: ClassVar[str] = "prunus"
    optional: ClassVar[bool] = True

    def available(self) -> str | None:
        """It needs its native module, which is built where there is a compiler."""
        from prunus.sparse.native import missing

        return missing()

    def write(self, network: NetworkFiles) -> WrittenFile:
        """Pack its ONNX file, with the fastest kernels for all batch sizes and numbers of threads to be measured."""
        from prunus.export import WrittenFile, checked
        from prunus.sparse import pack

        path = network.path(self.file_format)
        pack(network.onnx_of_floats().path, path, batches=network.batch_sizes, threads=network.threads)
        try:
            return WrittenFile.of(self.file_format, path, checked("packed", _run(path), *network.positional))
        except PrunusError:
            path.unlink(missing_ok=True)
            raise

    def prepare(self, variant: Variant) -> None:
        """Import the engine and its native module."""
        variant.file(self.file_format)
        from prunus.sparse.native import load_module

        load_module()

    def load(self, variant: Variant, inputs: Inputs, threads: int) -> Run:
        """Unpack the file for this batch size; kernels it has no choice of are measured first."""
        from prunus.sparse import load

        arrays = inputs if isinstance(inputs, tuple) else (inputs,)
        engine = load(variant.file(self.file_format), batch=len(arrays[0]), threads=threads)
        if len(engine.inputs) != len(arrays):
            raise InputError("The network cannot be measured", f"it has {len(engine.inputs)} inputs, not {len(arrays)}")

        def run() -> Any:
            output = engine.run(*arrays)
            return output[0] if isinstance(output, tuple) else output

        return run


def _run(path: Path) -> Any:
    """Runs a packed file, on an engine for the batch size that is given."""
    from prunus.sparse import load

    def run(arrays: Sequence[Any]) -> tuple[Any, ...]:
        outputs = load(path, batch=len(arrays[0])).run(*arrays)
        return outputs if isinstance(outputs, tuple) else (outputs,)

    return run
