"""What a study found: its rows go in; intervals, tables, figures and one self-contained page come out.

A topic (losses, latencies, layers, ...) is one file: what is worked out of the rows, its table, its figure and its part
of a page. Topics share `findings` (the rows, and what was worked out so far), `tables`, `drawing` and `content`.

What stays out: torch, and anything that is not in the store. A report can be drawn where nothing could be trained.
"""

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
