"""ONNX Runtime, as many networks are deployed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from prunus.errors import InputError
from prunus.measure._network_files import NetworkFiles
from prunus.measure._runtime import Inputs, Run, Runtime
from prunus.measure.variant import Variant
from prunus.system.onnx_session import open_session

if TYPE_CHECKING:
    from prunus.export import WrittenFile


class OnnxRuntime(Runtime):
    """ONNX Runtime on the CPU with all of its graph optimisations; zeros are computed like any other number."""

    file_format: ClassVar[str] = "onnx"

    def available(self) -> str | None:
        """ONNX Runtime is a core dependency; it is missing only from a broken installation."""
        return None if find_spec("onnxruntime") else "onnxruntime is not installed; run: pip install onnxruntime"

    def write(self, network: NetworkFiles) -> WrittenFile:
        """Export it with an open batch dimension."""
        return network.onnx()

    def prepare(self, variant: Variant) -> None:
        """Import the library."""
        variant.file(self.file_format)
        import onnxruntime  # noqa: F401

    def load(self, variant: Variant, inputs: Inputs, threads: int) -> Run:
        """Open a session of its own with so many threads."""
        path = variant.file(self.file_format)
        # Threads of other sessions must not burn the cores while this one is timed.
        spinning = {"session.intra_op.allow_spinning": "0" if threads == 1 else "1", "session.force_spinning_stop": "1"}
        try:
            session = open_session(path, threads, spinning)
        except Exception as error:  # the library's errors have no common class of their own
            raise InputError(f"ONNX Runtime cannot load {path}", str(error), "export it again") from error
        names = [each.name for each in session.get_inputs()]
        given = dict(zip(names, inputs if isinstance(inputs, tuple) else (inputs,), strict=True))

        def run() -> Any:
            return session.run(None, given)[0]

        return run
