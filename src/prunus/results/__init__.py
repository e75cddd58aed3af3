"""What a study came to, for Python and notebooks: tables as data frames, figures, the network to take.

What stays out: the numbers' meaning, which is `prunus.report`'s, and running trials, which is `prunus.sweep`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunus.results.results import FinalNetwork, Results, read_results, run

__all__ = ["FinalNetwork", "Results", "read_results", "run"]


def __getattr__(name: str) -> Any:
    """Import what reads and draws only when it is asked for: a run that shows its progress needs neither."""
    if name in __all__:
        from prunus.results import results

        return getattr(results, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
