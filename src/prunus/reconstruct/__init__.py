"""Pruning and quantising without training: each layer's weights make up for those that go and for what is rounded.

What stays out: optimisers and loss functions. Only layers' inputs and outputs are looked at.
"""

from prunus.reconstruct.layer import LayerError
from prunus.reconstruct.reconstruct import Reconstructed, reconstruct

__all__ = ["LayerError", "Reconstructed", "reconstruct"]
