"""Numbers that modules keep beside their weights: one row per class says which follow from what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from torch import nn

from prunus.trace.inventory import is_transposed

Attributes: TypeAlias = dict[str, object]
Row: TypeAlias = Callable[[Any], Attributes]


def _linear(module: Any) -> Attributes:
    out, features = module.weight.shape
    return {"in_features": features, "out_features": out}


def _transposed_linear(module: Any) -> Attributes:
    features, out = module.weight.shape
    return {"nx": features, "nf": out}


def _bilinear(module: Any) -> Attributes:
    out, one, other = module.weight.shape
    return {"in1_features": one, "in2_features": other, "out_features": out}


def _convolution(module: Any) -> Attributes:
    out, inner = module.weight.shape[:2]
    return {"in_channels": inner * module.groups, "out_channels": out}


def _transposed(module: Any) -> Attributes:
    channels, inner = module.weight.shape[:2]
    return {"in_channels": channels, "out_channels": inner * module.groups}


def _norm(module: Any) -> Attributes:
    tensor = module.weight if module.weight is not None else module.running_mean
    return {} if tensor is None else {"num_features": tensor.shape[0]}


def _group_norm(module: Any) -> Attributes:
    return {} if module.weight is None else {"num_channels": module.weight.shape[0]}


def _layer_norm(module: Any) -> Attributes:
    return {} if module.weight is None else {"normalized_shape": tuple(module.weight.shape)}


def _embedding(module: Any) -> Attributes:
    return {"embedding_dim": module.weight.shape[1]}


def _prelu(module: Any) -> Attributes:
    return {"num_parameters": module.weight.shape[0]}


def _attention(module: Any) -> Attributes:
    """Whole heads: their size stays, their number follows from the rows of the projection."""
    heads, rest = divmod(module.out_proj.weight.shape[1], module.head_dim)
    same = {} if rest else {"num_heads": heads}
    return {"embed_dim": module.out_proj.weight.shape[0], **same}


def _recurrent(module: Any) -> Attributes:
    """The module also keeps its weights in a list, for speed."""
    weights = [getattr(module, name) for name in module._flat_weights_names]
    sizes = {"input_size": module.weight_ih_l0.shape[1], "hidden_size": module.weight_hh_l0.shape[1]}
    return {**sizes, "_flat_weights": weights}


def _recurrent_cell(module: Any) -> Attributes:
    return {"input_size": module.weight_ih.shape[1], "hidden_size": module.weight_hh.shape[1]}


TABLE: dict[type[nn.Module], Row] = {
    nn.Linear: _linear,
    nn.Bilinear: _bilinear,
    nn.modules.conv._ConvTransposeNd: _transposed,
    nn.modules.conv._ConvNd: _convolution,
    nn.modules.batchnorm._NormBase: _norm,
    nn.GroupNorm: _group_norm,
    nn.LayerNorm: _layer_norm,
    nn.RMSNorm: _layer_norm,
    nn.Embedding: _embedding,
    nn.PReLU: _prelu,
    nn.MultiheadAttention: _attention,
    nn.RNNBase: _recurrent,
    nn.RNNCellBase: _recurrent_cell,
}


def _row_of(module: nn.Module) -> Row | None:
    if is_transposed(module):
        return _transposed_linear
    return next((TABLE[kind] for kind in type(module).__mro__ if kind in TABLE), None)


def update_attributes(module: nn.Module) -> None:
    """Make the module's numbers agree with its tensors."""
    row = _row_of(module)
    held = vars(module)
    for name, value in row(module).items() if row else ():
        if name in held:
            held[name] = value  # a number or a list, which setting it would take time to find out
        else:
            setattr(module, name, value)
