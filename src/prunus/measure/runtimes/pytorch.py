"""PyTorch, eager, as most networks are tried out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

from prunus.measure._network_files import NetworkFiles
from prunus.measure._runtime import Inputs, Run, Runtime
from prunus.measure.variant import Variant

if TYPE_CHECKING:
    from prunus.export import WrittenFile


class PyTorch(Runtime):
    """Eager PyTorch on the CPU, in evaluation and inference mode; zeros are computed like any other number."""

    file_format: ClassVar[str] = "safetensors"

    def available(self) -> str | None:
        """Torch is a core dependency; it is missing only from a broken installation."""
        return None if find_spec("torch") else "torch is not installed; run: pip install torch"

    def write(self, network: NetworkFiles) -> WrittenFile:
        """Write its tensors, and what was cut out of it."""
        from prunus.export import write_safetensors

        return write_safetensors(network.model, network.path(self.file_format))

    def prepare(self, variant: Variant) -> None:
        """Import torch, the reader of networks and the builder's module."""
        import torch  # noqa: F401

        from prunus.export import read_network  # noqa: F401

        if variant.builder:
            variant.builder.prepare()

    def load(self, variant: Variant, inputs: Inputs, threads: int) -> Run:  # noqa: ARG002  # set for the whole process
        """Build the module, cut it as the file says, read its weights, and run it."""
        import torch
        from torch.utils._pytree import tree_leaves

        from prunus.export import read_network

        build = variant.builder.build if variant.builder else None
        model = read_network(variant.file(self.file_format), build).eval()
        given = [torch.from_numpy(array) for array in (inputs if isinstance(inputs, tuple) else (inputs,))]
        names = [kind.name for kind in variant.inputs]
        named = {name: tensor for name, tensor in zip(names, given, strict=False) if name is not None}
        positional = [] if named else given

        def run() -> torch.Tensor:
            with torch.inference_mode():
                output = model(*positional, **named)
            if isinstance(output, torch.Tensor):
                return output
            first: torch.Tensor = tree_leaves(output)[0]
            return first

        return run

    @contextmanager
    def limited(self, threads: int) -> Iterator[None]:
        """Torch has one number of threads for all that a process runs."""
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
