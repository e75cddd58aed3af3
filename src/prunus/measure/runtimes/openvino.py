"""OpenVINO, in its own format (IR): a description in XML and the weights beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from prunus.errors import InputError
from prunus.measure._network_files import NetworkFiles
from prunus.measure._runtime import Inputs, Run, Runtime
from prunus.measure.variant import Variant

if TYPE_CHECKING:
    from prunus.export import WrittenFile

DESCRIPTION, WEIGHTS = "model.xml", "model.bin"
FULL_PRECISION = {"INFERENCE_PRECISION_HINT": "f32", "EXECUTION_MODE_HINT": "ACCURACY"}
"""Else it computes in bfloat16 or float16 where a processor has them."""


class OpenVino(Runtime):
    """OpenVINO on the CPU in single precision; zeros are computed like any other number."""

    file_format: ClassVar[str] = "openvino"
    optional: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ("openvino",)

    def available(self) -> str | None:
        """It is an optional extra."""
        return None if find_spec("openvino") else "OpenVINO is not installed; run: pip install openvino"

    def write(self, network: NetworkFiles) -> WrittenFile:
        """Convert its ONNX file into a folder of two files, weights in single precision, and run that."""
        from prunus.export import checked, write_network_files

        with TemporaryDirectory(prefix="prunus-openvino-") as folder:
            convert(network.onnx().path, Path(folder))
            run = _compiled(Path(folder), threads=1)
            deviation = checked("OpenVINO", run, *network.positional)
            contents = {name: (Path(folder) / name).read_bytes() for name in (WEIGHTS, DESCRIPTION)}
        return write_network_files(self.file_format, network.path(self.file_format), contents, deviation)

    def prepare(self, variant: Variant) -> None:
        """Import the library and its plug-in for the CPU."""
        variant.file(self.file_format)
        _core().get_property("CPU", "FULL_DEVICE_NAME")

    def load(self, variant: Variant, inputs: Inputs, threads: int) -> Run:
        """Compile it for one request at a time, with so many threads."""
        request = _compiled(variant.file(self.file_format), threads)
        arrays = list(inputs) if isinstance(inputs, tuple) else [inputs]

        def run() -> Any:
            return request(arrays)[0]

        return run


@cache
def _core() -> Any:
    """OpenVINO's entry, one for the process, and never let go of.

    Each one sets an alternate stack for signals and takes up the earlier one's when it ends. Of two, where the first
    ends first, the second takes up memory that is gone, and the next signal kills the process.
    """
    import openvino

    return openvino.Core()


def convert(onnx_file: Path, folder: Path) -> None:
    """Write an ONNX file into a folder in OpenVINO's format, weights as they are. Raises what OpenVINO does."""
    import openvino

    openvino.save_model(_core().read_model(onnx_file), folder / DESCRIPTION, compress_to_fp16=False)


def _compiled(folder: Path, threads: int) -> Any:
    """Runs the network of a folder: arrays -> all outputs. Raises `InputError` where it cannot be read."""
    settings = {**FULL_PRECISION, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    try:
        request = _core().compile_model(folder / DESCRIPTION, "CPU", settings).create_infer_request()
    except RuntimeError as error:
        raise InputError(f"OpenVINO cannot load {folder}", str(error).strip(), "export it again") from error

    def run(arrays: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(request.infer(arrays, share_inputs=True).values())

    return run
