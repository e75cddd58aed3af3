"""How much each layer alone costs in the task's metric, pruned at several rates, and what that suggests.

`curves` and `suggestion` are data and need no torch, so that they can be drawn where it is not installed.

What stays out: training and test data. What is found decides how a network is pruned.
"""
