"""How many bits: rounding weights and activations to integers, after a network's training or while it trains.

What stays out: what is removed (`prunus.prune`), files (`prunus.export`), and counting (`prunus.cost`). Weights are
rounded by a scale for each output, symmetrically, so that zeros stay zeros, and so that batch normalisation, which only
multiplies outputs, can be folded into the scale without changing one integer.
"""

from prunus.quantization.calibration import calibrate
from prunus.quantization.layers import Precisions, precisions_of
from prunus.quantization.quantize import Quantized, attached, precisions_asked, quantize
from prunus.quantization.rounding import Grid, fake_quantize, from_integers, to_integers
from prunus.quantization.scheme import (
    LayerScheme,
    Scheme,
    attach,
    check_layers,
    detach,
    quantized_layers,
    reattach,
    scheme_of,
)

__all__ = [
    "Grid",
    "LayerScheme",
    "Precisions",
    "Quantized",
    "Scheme",
    "attach",
    "attached",
    "calibrate",
    "check_layers",
    "detach",
    "fake_quantize",
    "from_integers",
    "precisions_asked",
    "precisions_of",
    "quantize",
    "quantized_layers",
    "reattach",
    "scheme_of",
    "to_integers",
]
