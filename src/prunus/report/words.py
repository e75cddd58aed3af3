"""Numbers inside sentences."""

from __future__ import annotations

from collections.abc import Sequence

from prunus.report.forms import PERCENT, TIMES
from prunus.report.statistics import Interval


def percent(share: float | None) -> str:
    """A share in percent.

    >>> percent(0.5)
    '50.0 %'
    """
    return "unknown" if share is None else f"{PERCENT.show(share)} %"


def whole_percent(share: float | None) -> str:
    """A share in percent where tenths would be in the way; below 2 % they are not.

    >>> whole_percent(0.714), whole_percent(0.0123)
    ('71 %', '1.2 %')
    """
    return percent(share) if share is None or share < 0.02 else f"{100 * share:.0f} %"


def times(ratio: Interval | float | None) -> str:
    """A ratio, with its interval if it has one.

    >>> times(Interval(0.42, 0.4, 0.44, 40))
    '0.42 [0.40, 0.44]'
    """
    return "unknown" if ratio is None else TIMES.show(ratio)


def span(values: Sequence[float], written: str = "{:.2f}") -> str:
    """From the smallest to the largest.

    >>> span([0.5, 0.2]), span([0.2])
    ('0.20 to 0.50', '0.20')
    """
    low, high = written.format(min(values)), written.format(max(values))
    return low if low == high else f"{low} to {high}"


def duration(seconds: float) -> str:
    """A span of time in words.

    >>> duration(59.2), duration(200), duration(8000)
    ('59 s', '3 min 20 s', '2 h 13 min')
    """
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def joined(parts: Sequence[str]) -> str:
    """A list in words.

    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def listed(names: Sequence[str]) -> str:
    """Names in a row, at most five of many.

    >>> listed(["a", "b", "c", "d", "e", "f", "g"])
    'a, b, c, d, e and 2 more'
    """
    return joined(names) if len(names) <= 6 else f"{', '.join(names[:5])} and {len(names) - 5} more"


def first_of(names: Sequence[str], most: int = 8) -> str:
    """The first of them in words, and how many more there are.

    >>> first_of(["a", "b", "c"], 2)
    'a and b and 1 more'
    """
    return joined(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def counted(count: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "trial"), counted(2, "class"), counted(2, "study"), counted(1200, "trial")
    ('1 trial', '2 classes', '2 studies', '1,200 trials')
    """
    if count == 1:
        return f"1 {noun}"
    plural = f"{noun}es" if noun.endswith("s") else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {plural}"


def recipe_name(name: str | None) -> str:
    """A recipe's name; the unpruned network has none."""
    return "unpruned" if name is None else name
