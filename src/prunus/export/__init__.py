"""Files of a network that other programs read: safetensors and ONNX, each checked before it counts as written.

What stays out: timing, reading files of strangers for the sparse runtime (`prunus.sparse`), and formats of one runtime
alone, which that runtime writes (`prunus.measure.runtimes`).
"""

from prunus.export._comparison import checked
from prunus.export._integers_file import read_scheme, write_integers
from prunus.export._onnx_file import OnnxTemplates, write_onnx
from prunus.export._safetensors_file import read_network, write_safetensors
from prunus.export._trained_weights import load_weights
from prunus.export._written import WrittenFile, write_network_files
from prunus.export.example import as_tuple, positional

__all__ = [
    "OnnxTemplates",
    "WrittenFile",
    "as_tuple",
    "checked",
    "load_weights",
    "positional",
    "read_network",
    "read_scheme",
    "write_integers",
    "write_network_files",
    "write_onnx",
    "write_safetensors",
]
