"""The project's own sparse runtime."""

from __future__ import annotations

from typing import Any, ClassVar

from prunus.errors import InputError
from prunus.measure.runtime import Inputs, Run, Runtime
from prunus.measure.variant import Variant


class Prunus(Runtime):
    """The sparse runtime: weights that are zero are neither stored nor computed."""

    file_format: ClassVar[str] = "prunus"
    optional: ClassVar[bool] = True

    def available(self) -> str | None:
        """It needs its native module, which is built where there is a compiler."""
        from prunus.sparse.native import missing

        return missing()

    def prepare(self, variant: Variant) -> None:
        """Import the engine and its native module."""
        variant.file(self.file_format)
        from prunus.sparse.native import load_module

        load_module()

    def load(self, variant: Variant, inputs: Inputs, threads: int) -> Run:
        """Unpack the file for this batch size; kernels it has no choice of are measured first."""
        from prunus.sparse import load

        engine = load(variant.file(self.file_format), batch=len(inputs), threads=threads)
        if len(engine.inputs) != 1:
            raise InputError("The network cannot be measured", f"it has {len(engine.inputs)} inputs, not one")

        def run() -> Any:
            output = engine.run(inputs)
            return output[0] if isinstance(output, tuple) else output

        return run
