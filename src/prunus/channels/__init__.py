"""Channel pruning in one call, with the criterion, the allocation and the target given by name."""

from prunus.channels.prune_channels import prune_channels

__all__ = ["prune_channels"]
