"""Running the zeros: networks whose pruned weights are not computed, from programs of statically shaped tensors."""

from prunus.sparse.compiling import compile, from_onnx  # noqa: A004
from prunus.sparse.engine import Engine
from prunus.sparse.explain import Explanation, LayerExplanation
from prunus.sparse.saving import load, pack

__all__ = ["Engine", "Explanation", "LayerExplanation", "compile", "from_onnx", "load", "pack"]
