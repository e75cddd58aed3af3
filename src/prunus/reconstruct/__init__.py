"""Pruning without training: each layer's remaining weights make up for those that go.

What stays out: optimisers and loss functions. Only layers' inputs and outputs are looked at.
"""

from prunus.reconstruct.reconstruct import LayerError, Reconstructed, reconstruct

__all__ = ["LayerError", "Reconstructed", "reconstruct"]
