"""Running the zeros: networks whose pruned weights are not computed, from programs of statically shaped tensors.

What stays out: torch, but for exporting a module and handing over its tensors; and pruning. An engine takes an ONNX
file and finds the zeros itself.
"""

from prunus.sparse.compiling import compile, from_onnx, load, pack  # noqa: A004
from prunus.sparse.engine import Engine
from prunus.sparse.explain import Explanation, LayerExplanation

__all__ = ["Engine", "Explanation", "LayerExplanation", "compile", "from_onnx", "load", "pack"]
