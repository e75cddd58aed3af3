"""What a study found: analysis of its rows, figures, and one self-contained page; needs no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunus.report.build import build_report

__all__ = ["build_report"]


def __getattr__(name: str) -> Any:
    """Import what draws only when it is asked for: the analysis alone needs no matplotlib."""
    if name == "build_report":
        from prunus.report.build import build_report

        return build_report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
