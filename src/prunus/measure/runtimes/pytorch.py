"""PyTorch, eager, as most networks are tried out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import ClassVar

from prunus.errors import InputError
from prunus.measure.runtime import Inputs, Run, Runtime
from prunus.measure.variant import Builder, Variant


class PyTorch(Runtime):
    """Eager PyTorch on the CPU, in evaluation and inference mode; zeros are computed like any other number."""

    file_format: ClassVar[str] = "safetensors"

    def available(self) -> str | None:
        """Torch is a core dependency; it is missing only from a broken installation."""
        return None if find_spec("torch") else "torch is not installed; run: pip install torch"

    def prepare(self, variant: Variant) -> None:
        """Import torch, the reader of weights and the builder's module."""
        import torch  # noqa: F401

        from prunus.export import read_safetensors  # noqa: F401

        _builder(variant).prepare()

    def load(self, variant: Variant, inputs: Inputs, threads: int) -> Run:  # noqa: ARG002  # set for the whole process
        """Build the module, read its weights, and run it."""
        import torch
        from torch.utils._pytree import tree_leaves

        from prunus.export import read_safetensors

        model = _builder(variant).build()
        read_safetensors(variant.file(self.file_format), model)
        model.eval()
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


def _builder(variant: Variant) -> Builder:
    if variant.builder is None:
        raise InputError("Torch cannot run the network", "it was not said how its module is built", "give a builder")
    return variant.builder
