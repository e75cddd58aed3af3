"""What a network costs, observed: time and memory on the runtimes of this machine. Importing it imports no runtime.

What stays out: anything computed from shapes (`prunus.cost`), and studies. What is timed is the loading and running
of files.
"""

from prunus.measure._latency import Sample, measure_latency, measure_runs
from prunus.measure._network_files import NetworkFiles, network_path
from prunus.measure._runtime import RUNTIMES, Runtime, packages_of, runtime_of, unavailable, write_for, write_for_all
from prunus.measure.memory import Memory, MemoryHost
from prunus.measure.runtimes.onnx_runtime import OnnxRuntime
from prunus.measure.runtimes.openvino import OpenVino
from prunus.measure.runtimes.prunus import Prunus
from prunus.measure.runtimes.pytorch import PyTorch
from prunus.measure.variant import ModelBuilder, Variant, named_model, random_inputs

RUNTIMES.register("torch", PyTorch)
RUNTIMES.register("onnxruntime", OnnxRuntime)
RUNTIMES.register("prunus", Prunus)
RUNTIMES.register("openvino", OpenVino)

__all__ = [
    "RUNTIMES",
    "Memory",
    "MemoryHost",
    "ModelBuilder",
    "NetworkFiles",
    "Runtime",
    "Sample",
    "Variant",
    "measure_latency",
    "measure_runs",
    "named_model",
    "network_path",
    "packages_of",
    "random_inputs",
    "runtime_of",
    "unavailable",
    "write_for",
    "write_for_all",
]
