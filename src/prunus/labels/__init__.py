"""Labels of channels: which positions of tensors are removed together, and what a reshape makes of them.

A label is a number for each position along a dimension; labels that are joined in a union-find go together.

What stays out: operations and networks. Everything here is arithmetic on numbers of positions.
"""

from prunus.labels.axes import Axes, Axis
from prunus.labels.labels import KeepMask, Labels

__all__ = ["Axes", "Axis", "KeepMask", "Labels"]
