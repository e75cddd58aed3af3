"""Numbers inside sentences."""

from __future__ import annotations

from collections.abc import Sequence

from prunus.report.forms import PERCENT, POINTS, TIMES
from prunus.report.statistics import Interval


def accuracy(value: Interval | float | None) -> str:
    """A share as an accuracy in percent, its mean alone.

    >>> accuracy(0.97312)
    '97.3 %'
    """
    number = value.mean if isinstance(value, Interval) else value
    return percent(number)


def percent(share: float | None) -> str:
    """A share in percent.

    >>> percent(0.5)
    '50.0 %'
    """
    return "unknown" if share is None else f"{PERCENT.show(share)} %"


def points(difference: Interval | None) -> str:
    """A difference of shares in percentage points, with its interval.

    >>> points(Interval(-0.012, -0.02, -0.004, 3))
    '−1.20 points [−2.00, −0.40]'
    """
    if difference is None:
        return "an unknown number of points"
    bounds = f" [{POINTS.show(difference.low)}, {POINTS.show(difference.high)}]" if difference.known else ""
    return f"{POINTS.show(difference.mean)} points{bounds}"


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


def joined(parts: Sequence[str]) -> str:
    """A list in words.

    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def listed(names: Sequence[str]) -> str:
    """The same, with at most five of many.

    >>> listed(["a", "b", "c", "d", "e", "f", "g"])
    'a, b, c, d, e and 2 more'
    """
    return joined(names) if len(names) <= 6 else f"{', '.join(names[:5])} and {len(names) - 5} more"


def counted(count: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "trial"), counted(2, "class"), counted(2, "study"), counted(1200, "trial")
    ('1 trial', '2 classes', '2 studies', '1,200 trials')
    """
    if count == 1:
        return f"1 {noun}"
    plural = f"{noun}es" if noun.endswith("s") else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {plural}"
