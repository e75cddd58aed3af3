"""From operations to labels of channels, and from these to the groups of channels that can only go together.

What stays out: scores, rates and weights. What is removed is chosen, cut and proven elsewhere.
"""

from prunus.coupling._coupling import Coupling, couple, couple_model
from prunus.coupling._group import ChannelGroup, Extent, Member
from prunus.coupling.grouping import channel_groups

__all__ = ["ChannelGroup", "Coupling", "Extent", "Member", "channel_groups", "couple", "couple_model"]
