"""Files of a network that other programs read: safetensors and ONNX, each checked before it counts as written."""

from prunus.export.onnx_file import OnnxTemplates, write_onnx
from prunus.export.packed_file import write_packed
from prunus.export.safetensors_file import read_network, read_safetensors, write_safetensors
from prunus.export.written import WrittenFile

__all__ = [
    "OnnxTemplates",
    "WrittenFile",
    "read_network",
    "read_safetensors",
    "write_onnx",
    "write_packed",
    "write_safetensors",
]
