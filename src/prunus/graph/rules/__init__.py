"""The table of operations: what each one does to channels. What is not in it is never pruned through."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from prunus.graph.axes import Axes
from prunus.graph.operation import Operation
from prunus.graph.rules import (
    contraction,
    convolution,
    creating,
    joining,
    normalisation,
    rearranging,
    recurrent,
    reduction,
    scattering,
    spatial,
    spectral,
)
from prunus.graph.rules.pointwise import pointwise

Rule: TypeAlias = Callable[[Operation], Axes | tuple[Axes, ...]]

_KINDS: tuple[tuple[Rule, str], ...] = (
    (
        pointwise,
        "abs add addcdiv addcmul atan2 bitwise_and bitwise_not bitwise_or celu ceil clamp clamp_max clamp_min clip cos "
        "div elu eq erf exp expm1 floor floor_divide fmod ge gelu gt hardshrink hardsigmoid hardswish hardtanh isinf "
        "isnan le leaky_relu lerp log log10 log1p log2 log_sigmoid logical_and logical_not logical_or logical_xor lt "
        "masked_fill maximum minimum mish mul nan_to_num ne neg pow _prelu_kernel reciprocal relu relu6 "
        "remainder round rsqrt rsub selu sgn sigmoid sign silu sin softplus softshrink softsign sqrt square sub tan "
        "tanh tanhshrink threshold true_divide trunc where xlogy special_expm1 rrelu erfinv exp2 multiply subtract "
        "divide complex polar angle acos acosh asin asinh atan atanh cosh sinh bitwise_xor bitwise_left_shift "
        "bitwise_right_shift __and__ __or__ __xor__ __iand__ __ior__ __ixor__ __lshift__ __rshift__ copysign fmax fmin "
        "heaviside isneginf isposinf logaddexp logaddexp2 hypot logit frac erfc lgamma digamma float_power sinc",
    ),
    (
        rearranging.same,
        "alias clone contiguous detach dropout alpha_dropout feature_dropout lift_fresh lift_fresh_copy to _to_copy "
        "type_as float half double bfloat16 positive resolve_conj resolve_neg requires_grad real imag _conj",
    ),
    (
        rearranging.reshaped,
        "view reshape _unsafe_view view_as reshape_as flatten unflatten squeeze unsqueeze ravel",
    ),
    (rearranging.permuted, "permute"),
    (rearranging.transposed, "transpose swapaxes swapdims t mT adjoint"),
    (rearranging.reversed_dimensions, "numpy_T"),
    (rearranging.moved, "movedim moveaxis"),
    (rearranging.expanded, "expand broadcast_to"),
    (rearranging.expanded_as, "expand_as"),
    (rearranging.tiled, "repeat tile"),
    (rearranging.repeated, "repeat_interleave"),
    (rearranging.flipped, "flip"),
    (rearranging.rolled, "roll"),
    (rearranging.triangular, "tril triu"),
    (rearranging.pixel_shuffled, "pixel_shuffle"),
    (rearranging.pixel_unshuffled, "pixel_unshuffle"),
    (rearranging.channels_shuffled, "channel_shuffle native_channel_shuffle"),
    (rearranging.unfolded, "im2col"),
    (rearranging.folded, "col2im"),
    (rearranging.windows, "unfold"),
    (joining.concatenated, "cat concat concatenate"),
    (joining.stacked, "stack"),
    (joining.chunked, "chunk"),
    (joining.parted, "split split_with_sizes tensor_split unsafe_split"),
    (joining.unbound, "unbind"),
    (joining.selected, "select"),
    (joining.sliced, "slice"),
    (joining.narrowed, "narrow"),
    (joining.indexed, "index"),
    (joining.index_selected, "index_select"),
    (joining.embedded, "embedding"),
    (scattering.gathered, "gather"),
    (scattering.scattered, "scatter scatter_add scatter_reduce"),
    (scattering.added, "index_add index_copy"),
    (scattering.put, "index_put"),
    (scattering.sampled, "grid_sampler"),
    (scattering.bags, "embedding_bag"),
    (joining.padded, "constant_pad_nd pad"),
    (spatial.glu, "glu"),
    (spatial.prelu, "prelu"),
    (contraction.linear, "linear"),
    (contraction.bilinear, "bilinear"),
    (contraction.outer, "outer ger"),
    (contraction.cosine_similarity, "cosine_similarity"),
    (recurrent.recurrent, "lstm gru rnn_tanh rnn_relu"),
    (recurrent.cell, "lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell"),
    (contraction.matmul, "matmul mm bmm mv dot"),
    (contraction.addmm, "addmm baddbmm addbmm"),
    (contraction.einsum, "einsum"),
    (contraction.attention, "scaled_dot_product_attention"),
    (convolution.convolution, "conv1d conv2d conv3d"),
    (convolution.transposed, "conv_transpose1d conv_transpose2d conv_transpose3d"),
    (normalisation.per_channel, "batch_norm instance_norm"),
    (normalisation.over_last, "layer_norm rms_norm"),
    (normalisation.over_groups, "group_norm"),
    (normalisation.weight_norm, "_weight_norm"),
    (reduction.sums, "sum linalg_vector_norm norm"),
    (reduction.averages, "mean var std"),
    (reduction.two_averages, "var_mean std_mean"),
    (reduction.largest, "amax amin"),
    (reduction.extremes, "argmax argmin prod all any logsumexp count_nonzero"),
    (reduction.two_results, "max min topk sort kthvalue median nanmedian mode cummax cummin"),
    (reduction.along, "softmax _softmax log_softmax cumsum cumprod logcumsumexp softmin"),
    (
        spatial.pooled,
        "max_pool1d max_pool2d max_pool3d max_pool1d_with_indices max_pool2d_with_indices avg_pool1d avg_pool2d "
        "avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d "
        "adaptive_max_pool2d adaptive_max_pool3d max_pool3d_with_indices lp_pool2d upsample_nearest1d "
        "upsample_nearest2d upsample_nearest3d upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d "
        "upsample_linear1d _upsample_bilinear2d_aa _upsample_bicubic2d_aa upsample_nearest_exact2d "
        "reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d reflection_pad3d replication_pad3d",
    ),
    (spectral.line, "fft_fft fft_ifft fft_rfft fft_irfft fft_hfft fft_ihfft"),
    (spectral.plane, "fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2"),
    (spectral.space, "fft_fftn fft_ifftn fft_rfftn fft_irfftn"),
    (spectral.shifted, "fft_fftshift fft_ifftshift"),
    (spectral.paired, "view_as_complex"),
    (spectral.unpaired, "view_as_real"),
    (creating.filled, "zeros ones full new_zeros new_ones new_full"),
    (creating.copied, "copy fill"),
    (creating.created, "empty arange linspace eye rand randn tensor scalar_tensor hann_window"),
    (creating.like, "zeros_like ones_like full_like empty_like"),
    (creating.drawn, "rand_like randn_like"),
    (creating.shapeless, "_assert_tensor_metadata sym_size _assert_scalar sym_constrain_range_for_size item"),
)
RULES: dict[str, Rule] = {name: rule for rule, names in _KINDS for name in names.split()}
REFUSED = creating.unknown


def rule_of(kind: str) -> Rule:
    """The rule of an operation; without one, whatever reaches it is protected."""
    return RULES.get(kind, REFUSED)
