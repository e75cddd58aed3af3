"""Networks as files without their zeros; loading one runs no code of it.

What stays out: building engines. What is read is data of a stranger, and checked as such here.
"""

from prunus.sparse.packing.header import Choices
from prunus.sparse.packing.reading import PackedNetwork, read_packed
from prunus.sparse.packing.writing import write_packed

__all__ = ["Choices", "PackedNetwork", "read_packed", "write_packed"]
