"""From an ONNX file alone to smaller and faster files: zeros and int8, without training and without labels.

What stays out: networks of PyTorch (`prunus.compress`), and how weights are solved for (`prunus.reconstruct`). Here an
ONNX graph is taken apart, changed, judged by how far it still agrees with the original, timed and written.
"""

from prunus.compress.file.run import compress_file, run_file_compression
from prunus.compress.file.settings import FileSettings

__all__ = ["FileSettings", "compress_file", "run_file_compression"]
