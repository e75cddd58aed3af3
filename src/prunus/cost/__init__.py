"""What a network costs, computed from shapes and bits, for one input: MACs, bit operations, parameters.

What stays out: anything measured. `prunus.measure` and this package never import each other, so that they can
contradict each other.
"""

from prunus.cost.count import count_cost, count_costs
from prunus.cost.network_cost import (
    LayerCost,
    NetworkCost,
    bops,
    compression_ratio,
    effective_macs,
    theoretical_speedup,
    uniq_bops,
)
from prunus.ops.macs import convolution_macs, matmul_macs

__all__ = [
    "LayerCost",
    "NetworkCost",
    "bops",
    "compression_ratio",
    "convolution_macs",
    "count_cost",
    "count_costs",
    "effective_macs",
    "matmul_macs",
    "theoretical_speedup",
    "uniq_bops",
]
