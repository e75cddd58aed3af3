"""From a trained network and a margin, or a cost, to files: search, fine-tuning, and the one-page answer.

What stays out: how channels are cut (`prunus.channels`), how networks are trained (`prunus.train`), timed
(`prunus.measure`) and written (`prunus.export`), and studies, which compare recipes over seeds.
"""

from prunus.compress.file import FileSettings, compress_file, run_file_compression
from prunus.compress.file.result import CompressedFile
from prunus.compress.result import Compressed
from prunus.compress.run import compress, run_compression
from prunus.compress.settings import Settings

__all__ = [
    "Compressed",
    "CompressedFile",
    "FileSettings",
    "Settings",
    "compress",
    "compress_file",
    "run_compression",
    "run_file_compression",
]
