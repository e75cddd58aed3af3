"""The operations that are, by definition, no MACs: what is in neither this set nor the table is reported."""

from __future__ import annotations

from functools import cache

import torch
from torch._ops import OpOverload

_NORMALISATION = """
native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training _batch_norm_no_update cudnn_batch_norm
batch_norm native_layer_norm native_group_norm _fused_rms_norm linalg_vector_norm _weight_norm_interface norm renorm
_softmax _log_softmax _safe_softmax softmax log_softmax
"""
_POOLING = """
max_pool2d_with_indices max_pool3d_with_indices avg_pool2d avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d
adaptive_max_pool2d adaptive_max_pool3d mean sum amax amin max min argmax argmin prod any all var std var_mean std_mean
logsumexp cumsum cumprod count_nonzero fractional_max_pool2d mkldnn_max_pool2d max_unpool2d aminmax median
"""
_ACTIVATION = """
glu rrelu_with_noise native_dropout bernoulli _prelu_kernel hardswish hardtanh log_sigmoid_forward
_thnn_fused_lstm_cell _thnn_fused_gru_cell
"""
_MOVING = """
cat stack copy_ _to_copy clone contiguous index index_put index_put_ _index_put_impl_ _unsafe_index index_select gather
scatter scatter_add scatter_reduce slice_scatter select_scatter index_add index_copy index_fill masked_select
masked_scatter constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d replication_pad3d
pad flip roll rot90 repeat repeat_interleave tile im2col col2im embedding _embedding_bag one_hot tril triu sort topk
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
