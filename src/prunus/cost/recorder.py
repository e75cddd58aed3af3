"""Watching a model run: every operation is counted, ignored since it is no MAC by definition, or reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from prunus.cost.counted import COUNTED, Factor, Product
from prunus.trace.inventory import held_tensors
from prunus.trace.shapes import NeedsValuesError, run


@dataclass(frozen=True)
class Origin:
    """A parameter or another tensor that belongs to a model. `names`: all it goes by, where it is shared."""

    names: tuple[str, ...]
    is_parameter: bool


class Origins:
    """Origin of every tensor that depends on the model's constants and not on its input.

    A tensor computed from constants keeps the origin of the first parameter in it, so a weight is known through views,
    masks and reparametrisations. The result of a product has none: it is an activation.
    """

    def __init__(self, model: nn.Module, inputs: Iterable[Tensor]) -> None:
        self._by_tensor: MutableMapping[Tensor, Origin] = WeakIdKeyDictionary()
        self._activations: MutableMapping[Tensor, bool] = WeakIdKeyDictionary()
        names: dict[int, list[str]] = {}
        constants = held_tensors(model)
        for name, tensor in constants.items():
            names.setdefault(id(tensor), []).append(name)
        for tensor in constants.values():
            self._by_tensor[tensor] = Origin(tuple(names[id(tensor)]), isinstance(tensor, nn.Parameter))
        self._memory = {memory_of(tensor) for tensor in constants.values()}
        self.mark_activations(inputs)

    def owns(self, tensor: Tensor) -> bool:
        """Whether a tensor lies in the memory of one of the model's own."""
        return memory_of(tensor) in self._memory

    def of(self, tensor: Tensor) -> Origin | None:
        """The origin of a tensor, or None."""
        return self._by_tensor.get(tensor)

    def mark_activations(self, tensors: Iterable[Tensor]) -> None:
        """Take these as depending on the input."""
        for tensor in tensors:
            self._activations[tensor] = True
            self._by_tensor.pop(tensor, None)

    def pass_on(self, sources: Iterable[Tensor], results: Iterable[Tensor]) -> None:
        """Results of an operation inherit from its operands."""
        sources = list(sources)
        if any(source in self._activations for source in sources):
            self.mark_activations(results)
            return
        found = [origin for source in sources if (origin := self.of(source))]
        if found:
            best = next((origin for origin in found if origin.is_parameter), found[0])
            for result in results:
                self._by_tensor[result] = best


def memory_of(tensor: Tensor) -> int:
    """Which memory it lies in; those without values have one, too."""
    place: int = tensor.untyped_storage()._cdata
    return place


BY_DEVICE = ("aten.lstm",)
"""Composite operations that are made of other ones on a device without values."""


@dataclass(frozen=True, eq=False)
class Call:
    """One product that was computed, in which module, and with which weight."""

    module: str
    product: Product
    weight: Factor | None
    origin: Origin | None


class CallRecorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the calls of a model's run, and the operations that it does not know.

    running: names and modules that are running, the innermost last.
    on_meta: the tensors have no values; an operation that would write into one of the model's own raises
    `NeedsValuesError` before it does.
    """

    def __init__(self, origins: Origins, running: list[tuple[str, nn.Module]], *, on_meta: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.origins = origins
        self.on_meta = on_meta
        self.calls: list[Call] = []
        self.not_counted: Counter[str] = Counter()
        self._running = running

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = str(func.overloadpacket)
        rule = COUNTED.get(name)
        if self.on_meta and name in BY_DEVICE:
            raise NeedsValuesError(name)
        if rule is None and not is_ignored(func):
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
            self.not_counted[name] += 1
        operands = _tensors((args, kwargs))
        if self.on_meta:
            self._refuse_to_write(func, args, kwargs)
        result = run(func, args, kwargs) if self.on_meta else func(*args, **kwargs)
        if rule is None:
            self.origins.pass_on(operands, _tensors(result))
        else:
            self.calls += [self._call(product) for product in rule(args, result)]
            self.origins.mark_activations(_tensors(result))
        return result

    def _call(self, product: Product) -> Call:
        module, _ = self._running[-1]
        for factor in reversed(product.factors):
            if origin := self.origins.of(factor.tensor):
                return Call(module, product, factor, origin)
        return Call(module, product, None, None)

    def _refuse_to_write(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if any(self.origins.owns(tensor) for tensor in _tensors(_written(func, args, kwargs))):
            raise NeedsValuesError(str(func))


def _tensors(tree: Any) -> list[Tensor]:
    """The tensors among nested arguments or results of an operation."""
    if isinstance(tree, Tensor):
        return [tree]
    parts = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (tuple, list)) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


def _written(func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """The arguments that an operation changes in place."""
    if not func._schema.is_mutable:
        return []
    return [
        args[place] if place < len(args) else kwargs.get(argument.name)
        for place, argument in enumerate(func._schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]


_NORMALISATION = """
native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training _batch_norm_no_update cudnn_batch_norm
batch_norm native_layer_norm native_group_norm _fused_rms_norm linalg_vector_norm _weight_norm_interface norm renorm
_softmax _log_softmax _safe_softmax softmax log_softmax
"""
_POOLING = """
max_pool2d_with_indices max_pool3d_with_indices avg_pool2d avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d
adaptive_max_pool2d adaptive_max_pool3d mean sum amax amin max min argmax argmin prod any all var std var_mean std_mean
logsumexp cumsum cumprod count_nonzero fractional_max_pool2d mkldnn_max_pool2d max_unpool2d aminmax median
cummax cummin logcumsumexp kthvalue nanmedian mode
"""
_ACTIVATION = """
glu rrelu_with_noise native_dropout bernoulli _prelu_kernel hardswish hardtanh log_sigmoid_forward
_thnn_fused_lstm_cell _thnn_fused_gru_cell floor_divide
"""
_MOVING = """
cat stack copy_ _to_copy clone contiguous index index_put index_put_ _index_put_impl_ _unsafe_index index_select gather
scatter scatter_add scatter_reduce slice_scatter select_scatter index_add index_copy index_fill masked_select
masked_scatter constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d
replication_pad2d replication_pad3d pad flip roll rot90 repeat repeat_interleave tile im2col col2im embedding
_embedding_bag one_hot tril triu sort topk
unique _unique2 nonzero searchsorted bucketize pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle
_local_scalar_dense is_same_size equal _reshape_copy _unsafe_view view_copy expand_copy split_with_sizes_copy
unsafe_split unsafe_split_with_sizes resize_
set_ lift_fresh lift_fresh_copy detach unfold _assert_async _assert_tensor_metadata sym_size histc bincount isin
masked_fill complex polar take put _nested_tensor_from_mask_left_aligned to_padded_tensor set_data
"""
_MAKING = """
empty empty_like empty_strided zeros zeros_like ones ones_like full full_like arange linspace eye rand rand_like randn
randn_like randint randint_like randperm new_empty new_zeros new_ones new_full new_empty_strided scalar_tensor normal
normal_ uniform_ bernoulli_ random_ fill_ zero_ exponential_ log_normal_ tril_indices triu_indices hann_window
_efficientzerotensor
"""
_INTERPOLATION = """
upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d
_upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d
_upsample_bilinear2d_aa _upsample_bicubic2d_aa grid_sampler_2d grid_sampler_3d affine_grid_generator
"""
_OUTSIDE_ATEN = {"prim.device", "torchvision.nms", "torchvision.roi_align", "torchvision.roi_pool"}

IGNORED: frozenset[str] = frozenset(
    f"aten.{name}"
    for group in (_NORMALISATION, _POOLING, _ACTIVATION, _MOVING, _MAKING, _INTERPOLATION)
    for name in group.split()
) | frozenset(_OUTSIDE_ATEN)
"""By name; besides these, whatever torch itself declares to be element by element, or a view."""


@cache
def is_ignored(operation: OpOverload) -> bool:
    """Whether an operation holds no MACs by definition: bias, normalisation, activation, pooling, moving data."""
    name = str(operation.overloadpacket)
    return name in IGNORED or name.removesuffix("_") in IGNORED or _is_view_or_pointwise(operation)


def _is_view_or_pointwise(operation: OpOverload) -> bool:
    return operation.is_view or not {torch.Tag.pointwise, torch.Tag.inplace_view}.isdisjoint(operation.tags)
