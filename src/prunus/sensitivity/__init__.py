"""How much accuracy each layer alone costs, pruned at several rates, and what that suggests.

`curves` and `suggestion` are data and need no torch, so that they can be drawn where it is not installed.
"""
