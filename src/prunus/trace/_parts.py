"""Operations without a rule, taken apart into those that have one, as torch itself knows them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch._decomp import core_aten_decompositions
from torch._ops import OpOverload
from torch.fx import GraphModule, Node as FxNode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from prunus.ops import OPS


def taken_apart(node: FxNode) -> GraphModule | None:
    """What an operation such as `hstack` or `tensordot` is made of, as a graph of the tensors among its arguments.

    None where torch has nothing simpler for it, or where nothing is gained: a part has no rule either.
    """
    operation = node.target
    if not isinstance(operation, OpOverload) or operation._schema.is_mutable:
        return None
    leaves, structure = pytree.tree_flatten((node.args, node.kwargs))
    places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, FxNode)]
    values = [leaves[place].meta.get("val") for place in places]
    if not values or not all(isinstance(value, torch.Tensor) for value in values):
        return None

    def run(*tensors: torch.Tensor) -> Any:
        filled = list(leaves)
        for place, tensor in zip(places, tensors, strict=True):
            filled[place] = tensor
        args, kwargs = pytree.tree_unflatten(filled, structure)
        return operation(*args, **kwargs)

    try:
        with torch.no_grad(), values[0].fake_mode:
            graph = make_fx(run, decomposition_table=_table())(*values)
    except Exception:  # whatever a decomposition raises: the operation stays whole
        return None
    parts = [part for part in graph.graph.nodes if part.op not in ("placeholder", "output")]
    for part in parts:
        part.meta["nn_module_stack"] = node.meta.get("nn_module_stack")
    return graph if parts and all(_has_rule(part.target) for part in parts) else None


def _has_rule(target: Any) -> bool:
    return isinstance(target, OpOverload) and target.overloadpacket.__name__ in OPS


@cache
def _table() -> Mapping[OpOverload, Any]:
    """Torch's own decompositions, but for those of operations that have a rule."""
    table = dict(core_aten_decompositions())
    return {operation: how for operation, how in table.items() if not _has_rule(operation)}
