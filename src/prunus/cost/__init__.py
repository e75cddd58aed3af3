"""What a network costs, computed from shapes and bits, for one input: MACs, bit operations, parameters."""

from prunus.cost.count import count_cost
from prunus.cost.formulas import (
    bops,
    compression_ratio,
    convolution_macs,
    effective_macs,
    matmul_macs,
    theoretical_speedup,
    uniq_bops,
)
from prunus.cost.network_cost import LayerCost, NetworkCost

__all__ = [
    "LayerCost",
    "NetworkCost",
    "bops",
    "compression_ratio",
    "convolution_macs",
    "count_cost",
    "effective_macs",
    "matmul_macs",
    "theoretical_speedup",
    "uniq_bops",
]
