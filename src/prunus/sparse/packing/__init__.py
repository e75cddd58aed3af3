"""Networks as files without their zeros; loading one runs no code of it."""

from prunus.sparse.packing.reading import read_packed
from prunus.sparse.packing.writing import ChosenKernels, SavedPlan, write_packed

__all__ = ["ChosenKernels", "SavedPlan", "read_packed", "write_packed"]
