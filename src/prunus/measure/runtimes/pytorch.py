"""PyTorch, eager, as most networks are tried out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import ClassVar

from prunus.measure.runtime import Inputs, Run, Runtime
from prunus.measure.variant import Variant


class PyTorch(Runtime):
    """Eager PyTorch on the CPU, in evaluation and inference mode; zeros are computed like any other number."""

    file_format: ClassVar[str] = "safetensors"

    def available(self) -> str | None:
        """Torch is a core dependency; it is missing only from a broken installation."""
        return None if find_spec("torch") else "torch is not installed; run: pip install torch"

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
        given = torch.from_numpy(inputs)

        def run() -> torch.Tensor:
            with torch.inference_mode():
                output = model(given)
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
