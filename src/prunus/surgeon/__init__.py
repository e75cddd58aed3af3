"""Pruning without training: each layer's remaining weights make up for those that go."""

from prunus.surgeon.reconstruct import LayerError, Reconstructed, reconstruct

__all__ = ["LayerError", "Reconstructed", "reconstruct"]
