"""How a model is wired: trace, per-operation channel rules (a table), integer index maps, coupled groups."""

from prunus.graph.group import ChannelGroup, Extent, Member
from prunus.graph.grouping import channel_groups
from prunus.graph.node import Graph, Node
from prunus.graph.trace import trace
from prunus.graph.wiring import Wiring, wire, wire_model

__all__ = [
    "ChannelGroup",
    "Extent",
    "Graph",
    "Member",
    "Node",
    "Wiring",
    "channel_groups",
    "trace",
    "wire",
    "wire_model",
]
