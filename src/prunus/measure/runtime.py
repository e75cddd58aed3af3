"""What plugs in as a runtime."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from prunus.errors import MissingError
from prunus.measure.variant import Variant
from prunus.registry import Registry
from prunus.spec.part import Frozen, Part
from prunus.spec.plugin import make

Inputs = npt.NDArray[np.float32]
Run = Callable[[], Any]


class Runtime(Frozen, ABC):
    """A way to run a network on this machine; the fields of a subclass are its settings.

    Contract, tested for every registered runtime: outputs agree with torch's to 1e-4 of the largest one; any batch size
    goes; the same inputs give the same bits; no more threads compute than asked for; what `available` says is true.
    The module of a runtime imports its library only inside its methods.
    """

    file_format: ClassVar[str]
    """The format of the file that it loads."""
    optional: ClassVar[bool] = False
    """Whether an installation may lack it, and a study then goes on without it and says so."""

    @abstractmethod
    def available(self) -> str | None:
        """None where the runtime can be used, else what is missing and what to do, in one sentence."""

    @abstractmethod
    def prepare(self, variant: Variant) -> None:
        """Import all that loading and running the variant will import, and nothing else."""

    @abstractmethod
    def load(self, variant: Variant, inputs: Inputs, threads: int) -> Run:
        """Load the variant's file; the returned call runs it once on these inputs.

        inputs: (batch, *input_shape). The call computes all outputs and returns the first, as what `numpy.asarray`
        takes; it does nothing that a deployed network would not do. Raises `InputError` where the file does not go.
        """

    def limited(self, threads: int) -> AbstractContextManager[None]:  # noqa: ARG002
        """Within it, calls of this runtime compute with so many threads; for runtimes that set this per process."""
        return nullcontext()


RUNTIMES: Registry[type[Runtime]] = Registry("runtime")


def runtime_of(name: str) -> Runtime:
    """The runtime of that name. Raises `InputError` for an unknown one, `MissingError` for one that is not there."""
    runtime = make(RUNTIMES, Part(name=name))
    if reason := runtime.available():
        raise MissingError(f"The runtime {name!r} cannot be used here", reason)
    return runtime
