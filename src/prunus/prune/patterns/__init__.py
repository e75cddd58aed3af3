"""Patterns: the shape of what is removed.

What stays out: scores and counts. A pattern divides weights into units and makes masks of those that go.
"""

from prunus.prune.patterns.block import Block
from prunus.prune.patterns.channel import Channel
from prunus.prune.patterns.element import Element
from prunus.prune.patterns.nm import NM
from prunus.prune.patterns.pattern import Pattern
from prunus.prune.patterns.row import Row
from prunus.registry import Registry

PATTERNS: Registry[type[Pattern]] = Registry("pattern", Pattern)
PATTERNS.register("element", Element)
PATTERNS.register("nm", NM)
PATTERNS.register("block", Block)
PATTERNS.register("row", Row)
PATTERNS.register("channel", Channel)

__all__ = ["PATTERNS", "Pattern"]
