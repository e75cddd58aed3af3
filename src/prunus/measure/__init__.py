"""What a network costs, observed: time and memory on the runtimes of this machine. Importing it imports no runtime."""

from prunus.measure.latency import Sample, measure_latency
from prunus.measure.memory import Memory, MemoryHost
from prunus.measure.named_model import named_model
from prunus.measure.runtime import RUNTIMES, Runtime, runtime_of
from prunus.measure.runtimes.onnx_runtime import OnnxRuntime
from prunus.measure.runtimes.prunus import Prunus
from prunus.measure.runtimes.pytorch import PyTorch
from prunus.measure.variant import Builder, Variant, random_inputs

RUNTIMES.register("torch", PyTorch)
RUNTIMES.register("onnxruntime", OnnxRuntime)
RUNTIMES.register("prunus", Prunus)

__all__ = [
    "RUNTIMES",
    "Builder",
    "Memory",
    "MemoryHost",
    "Runtime",
    "Sample",
    "Variant",
    "measure_latency",
    "named_model",
    "random_inputs",
    "runtime_of",
]
