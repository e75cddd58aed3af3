"""What tables call things."""

from __future__ import annotations


def recipe_name(name: str | None) -> str:
    """A recipe's name; the control has none."""
    return "unpruned" if name is None else name
