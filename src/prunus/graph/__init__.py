"""A traced network as plain data: operations, in the order in which they are executed, and the tensors they read.

What stays out: recording it (`prunus.trace`), following channels through it (`prunus.coupling`), and running it.
"""

from prunus.graph.node import Graph, Node, Ref, TensorType

__all__ = ["Graph", "Node", "Ref", "TensorType"]
