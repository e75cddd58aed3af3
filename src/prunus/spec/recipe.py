"""A recipe: one named combination of what is removed, by which score, how shared, when, and for how long."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from prunus.spec.part import Frozen, Part


class Recipe(Frozen):
    """How a network is pruned while it trains; the words are defined in docs/protocol.md.

    pattern: the shape of what is removed (`element`, `row`, `channel`).
    criterion: the score by which units are ranked; the lowest go first.
    allocation: how the total is shared among layers.
    schedule: when how much is removed.
    permanence: `permanent` masks stay and are applied after every optimiser step; `regrow` masks are applied once at
    the event and then let go.
    protect: layers that are never pruned, by name or shell pattern; `output` stands for the network's last layer.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    about: str = ""
    pattern: Part
    criterion: Part = Part(name="magnitude")
    allocation: Part = Part(name="uniform")
    schedule: Part = Part(name="cubic")
    permanence: Literal["permanent", "regrow"] = "permanent"
    protect: tuple[str, ...] = ("output",)
