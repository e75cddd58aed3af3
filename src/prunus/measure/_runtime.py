"""What plugs in as a runtime."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

import numpy.typing as npt

from prunus.errors import MissingError, PrunusError
from prunus.measure._network_files import NetworkFiles
from prunus.measure.variant import Variant
from prunus.registry import Registry
from prunus.spec.part import Frozen, Part, make

if TYPE_CHECKING:
    from prunus.export import WrittenFile

Inputs = npt.NDArray[Any] | tuple[npt.NDArray[Any], ...]
"""An array, float32 or int64; a tuple of them where a network takes several, or names them."""
Run = Callable[[], Any]


class Runtime(Frozen, ABC):
    """A way to run a network on this machine; the fields of a subclass are its settings.

    Contract, tested for every registered runtime: it loads what it writes; outputs agree with torch's to 1e-4 of the
    largest one; any batch size goes; the same inputs give the same bits; no more threads compute than asked for; what
    `available` says is true. The module of a runtime imports its library only inside its methods.
    """

    file_format: ClassVar[str]
    """The format of the file that it loads, which is its name's last part; runtimes may share one."""
    optional: ClassVar[bool] = False
    """Whether an installation may lack it, and a study then goes on without it and says so."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Whose versions can change its outputs or times; they are kept with what is measured."""

    @abstractmethod
    def available(self) -> str | None:
        """None where the runtime can be used, else what is missing and what to do, in one sentence."""

    @abstractmethod
    def write(self, network: NetworkFiles) -> WrittenFile:
        """Write `network.model` to `network.path(self.file_format)`, in the format that this runtime loads.

        `network.example` is a batch of its inputs; `network.onnx()` is its ONNX file, to convert or to return. What was
        written is run again and compared with the model before it counts (`prunus.export.checked`), and described by
        `WrittenFile.of`. Raises `PrunusError` where the network cannot be written.
        """

    @abstractmethod
    def prepare(self, variant: Variant) -> None:
        """Import all that loading and running the variant will import, and nothing else."""

    @abstractmethod
    def load(self, variant: Variant, inputs: Inputs, threads: int) -> Run:
        """Load the variant's file; the returned call runs it once on these inputs.

        inputs: (batch, *input_shape); a tuple of such where the network takes several. The call computes all outputs
        and returns the first, as what `numpy.asarray` takes; it does nothing that a deployed network would not do.
        Raises `InputError` where the file does not go.
        """

    def limited(self, threads: int) -> AbstractContextManager[None]:  # noqa: ARG002
        """Within it, calls of this runtime compute with so many threads; for runtimes that set this per process."""
        return nullcontext()


RUNTIMES: Registry[type[Runtime]] = Registry("runtime", Runtime)


def runtime_of(name: str) -> Runtime:
    """The runtime of that name. Raises `InputError` for an unknown one, `MissingError` for one that is not there."""
    runtime = make(RUNTIMES, Part(name=name))
    if reason := unavailable(name):
        raise MissingError(f"The runtime {name!r} cannot be used here", reason)
    return runtime


def unavailable(name: str) -> str | None:
    """None where the runtime can be used, else why not, also where it cannot say so itself."""
    try:
        return make(RUNTIMES, Part(name=name)).available()
    except PrunusError:
        raise
    except Exception as error:
        return f"it is broken: {type(error).__name__}: {error}"


def write_for(name: str, network: NetworkFiles) -> None:
    """Have a runtime write what it loads, if that is not there. Raises `PrunusError` that says why it cannot."""
    runtime = runtime_of(name)
    if runtime.file_format not in network.written:
        with blamed(name):
            network.written[runtime.file_format] = runtime.write(network)


def write_for_all(names: Iterable[str], network: NetworkFiles) -> Iterator[PrunusError]:
    """Have each runtime that is there write what it loads, and yield what went wrong, each reason once."""
    told = set()
    for name in names:
        if unavailable(name) is not None:
            continue  # it is told where it would be measured
        try:
            write_for(name, network)
        except PrunusError as error:
            if str(error) not in told:
                told.add(str(error))
                yield error


def packages_of(names: Iterable[str]) -> tuple[str, ...]:
    """The packages whose versions are kept with what these runtimes are measured to do."""
    return tuple(dict.fromkeys(package for name in names for package in RUNTIMES.get(name).packages))


@contextmanager
def blamed(name: str) -> Iterator[None]:
    """Within, whatever a runtime raises beside errors of ours is one that names it."""
    try:
        yield
    except PrunusError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise PrunusError(f"The runtime {name!r} failed", why, "mend it, or leave it out") from error
