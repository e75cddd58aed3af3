"""How a value of a table's column is shown to a reader, sorted, and written to a CSV file."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from prunus.report.names import visible, visible_lines
from prunus.report.statistics import Interval

MISSING = "–"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def _guarded(text: str) -> str:
    """A spreadsheet must not take a name for a formula."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text


class Form(ABC):
    """What a column needs to know of its values; `macro` names the template that shows one."""

    macro: str

    @abstractmethod
    def show(self, value: Any) -> str:
        """For a reader."""

    def sort_key(self, value: Any) -> str:
        """What a script sorts by: what is shown, cut short, unless numbers tell it better."""
        return self.show(value)[:40]

    def csv_titles(self, title: str) -> tuple[str, ...]:
        """Heads of the CSV columns; one, unless a value has several parts."""
        return (title,)

    @abstractmethod
    def csv_values(self, value: Any) -> tuple[object, ...]:
        """The CSV cells: numbers as they are, text guarded against formulas."""


@dataclass(frozen=True)
class Text(Form):
    """Names and sentences."""

    macro: str = "text"

    def show(self, value: Any) -> str:
        """One line, nothing hidden in it."""
        return MISSING if value is None else visible(value, 600)

    def csv_values(self, value: Any) -> tuple[object, ...]:
        """Guarded text; nothing where the value is missing."""
        return ("" if value is None else _guarded(visible_lines(value).replace("`", "")),)


@dataclass(frozen=True)
class Number(Form):
    """A number, or an `Interval` of such numbers, times `scale` (100: a share in percent)."""

    digits: int = 2
    scale: float = 1.0
    signed: bool = False
    written: Callable[[float], str] | None = None
    macro: str = "number"

    def show(self, value: Any) -> str:
        """The number, rounded; an interval as `mean [low, high]`."""
        if isinstance(value, Interval):
            if value.low is None or value.high is None:
                return self._number(value.mean)
            return f"{self._number(value.mean)} [{self._number(value.low)}, {self._number(value.high)}]"
        return self._number(value)

    def sort_key(self, value: Any) -> str:
        """The bare number."""
        number = value.mean if isinstance(value, Interval) else value
        return "" if number is None or not math.isfinite(number) else f"{number:.6g}"

    def csv_values(self, value: Any) -> tuple[object, ...]:
        """The bare number, to all its digits."""
        return (self.scaled(value),)

    def scaled(self, value: float | None) -> object:
        """The value as a CSV file has it: in the column's unit, empty where there is none."""
        if value is None or not math.isfinite(value):
            return ""
        return value if self.scale == 1 else value * self.scale

    def _number(self, value: float | None) -> str:
        if value is None or not math.isfinite(value):
            return MISSING
        if self.written is not None:
            return self.written(value)
        sign = "+" if self.signed else ""
        return _with_minus(f"{value * self.scale:{sign},.{self.digits}f}")


@dataclass(frozen=True)
class Bounds(Form):
    """An `Interval`: mean, low and high of numbers of one form; four CSV columns, and what stands beside them."""

    number: Number
    csv_title: str = ""  # of the columns, where the page's title differs from study to study
    csv_beside: tuple[tuple[str, str], ...] = ()  # heads and values of columns that are alike in every row
    macro: str = "bounds"

    def show(self, value: Interval | None) -> str:
        """`mean [low, high]`."""
        return self.number.show(value)

    def mean(self, value: Interval) -> str:
        """The mean alone."""
        return self.number.show(value.mean)

    def bounds(self, value: Interval) -> str:
        """The interval alone."""
        return f"[{self.number.show(value.low)}, {self.number.show(value.high)}]" if value.known else "no interval"

    def sort_key(self, value: Interval | None) -> str:
        """The mean."""
        return self.number.sort_key(value)

    def csv_titles(self, title: str) -> tuple[str, ...]:
        """Mean, low, high, and how many values."""
        name = self.csv_title or title
        return name, f"{name} low", f"{name} high", f"{name} n", *(head for head, _ in self.csv_beside)

    def csv_values(self, value: Interval | None) -> tuple[object, ...]:
        """Bare numbers."""
        parts = (None, None, None) if value is None else (value.mean, value.low, value.high)
        count = 0 if value is None else value.count
        return *(self.number.scaled(part) for part in parts), count, *(_guarded(text) for _, text in self.csv_beside)


@dataclass(frozen=True)
class Span(Form):
    """Several numbers of one form, from the smallest to the largest; two CSV columns."""

    number: Number
    macro: str = "number"

    def show(self, value: Any) -> str:
        """`smallest to largest`."""
        shown = [self.number.show(bound) for bound in self._bounds(value)]
        return MISSING if not shown else shown[0] if shown[0] == shown[1] else f"{shown[0]} to {shown[1]}"

    def sort_key(self, value: Any) -> str:
        """The smallest."""
        return self.number.sort_key(next(iter(self._bounds(value)), None))

    def csv_titles(self, title: str) -> tuple[str, ...]:
        """The smallest and the largest."""
        return f"{title} smallest", f"{title} largest"

    def csv_values(self, value: Any) -> tuple[object, ...]:
        """Bare numbers."""
        return tuple(self.number.scaled(bound) for bound in self._bounds(value)) or ("", "")

    @staticmethod
    def _bounds(value: Any) -> tuple[float, ...]:
        return (min(value), max(value)) if value else ()


@dataclass(frozen=True)
class Listed(Text):
    """Several short texts, one below the other."""

    macro: str = "listed"

    def show(self, value: Any) -> str:
        """All items in one line."""
        return "; ".join(visible(item, 600) for item in value) or MISSING

    def csv_values(self, value: Any) -> tuple[object, ...]:
        """All items in one guarded cell."""
        return (_guarded("; ".join(visible_lines(item).replace("`", "") for item in value)),)


@dataclass(frozen=True)
class Ruled(Form):
    """A claim and the rule that decides on it."""

    macro: str = "ruled"

    def show(self, value: tuple[str, str]) -> str:
        """The claim."""
        return value[0]

    def csv_titles(self, title: str) -> tuple[str, ...]:
        """Two columns."""
        return title, "rule"

    def csv_values(self, value: tuple[str, str]) -> tuple[object, ...]:
        """Both."""
        return tuple(_guarded(visible_lines(part)) for part in value)


def _with_minus(text: str) -> str:
    """The minus sign instead of the hyphen; no minus before a zero."""
    text = text.replace("-", "−")
    return text if text.strip("−+0.,") else text.lstrip("−+")


def with_digits(value: float) -> str:
    """Four significant digits.

    >>> with_digits(0.912345), with_digits(31.2), with_digits(123456.0), with_digits(0)
    ('0.9123', '31.20', '123,456', '0')
    """
    if not value:
        return "0"
    return with_decimals(value, max(0, 3 - math.floor(math.log10(abs(value)))))


LARGEST_WRITTEN_OUT = 1e7
MOST_DECIMALS = 6


def with_decimals(value: float, decimals: int, sign: Literal["", "+"] = "") -> str:
    """A number with so many decimals; in scientific notation where it is too large or too small to be written out.

    >>> with_decimals(1234.5, 1), with_decimals(0.5, 2, "+"), with_decimals(3.2e9, 2), with_decimals(3.2e-7, 10)
    ('1,234.5', '+0.50', '3.20e+09', '3.20e−07')
    """
    if value and (abs(value) >= LARGEST_WRITTEN_OUT or decimals > MOST_DECIMALS):
        return f"{value:{sign}.2e}".replace("-", "−")
    return _with_minus(f"{value:{sign},.{min(decimals, MOST_DECIMALS)}f}")


def with_prefix(value: float) -> str:
    """Three significant digits with an SI prefix.

    >>> with_prefix(28_133_056), with_prefix(950), with_prefix(0)
    ('28.1 M', '950', '0')
    """
    size = abs(value)
    for exponent, prefix in ((15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if size >= 0.9995 * 10**exponent:
            return _with_minus(f"{_three_digits(value / 10**exponent)} {prefix}")
    return _with_minus(f"{value:.0f}" if size >= 100 or value == int(value) else _three_digits(value))


def two_digits(value: float) -> str:
    """A size to two significant digits, written out unless it is long.

    >>> two_digits(0.0594), two_digits(31_400), two_digits(2.71e9)
    ('0.059', '31,000', '2.7e+09')
    """
    text = f"{value:.2g}"
    return f"{float(text):,.10g}" if 1 <= abs(value) < LARGEST_WRITTEN_OUT else text


def short(value: float) -> str:
    """A number beside an axis.

    >>> short(0.65), short(12_345), short(634_500), short(-2_000_000), short(3e20)
    ('0.65', '12,345', '634.5 k', '−2 M', '3e+20')
    """
    for exponent, prefix in ((15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if max(10**exponent, 1e5) <= abs(value) < 1e18:
            return _with_minus(f"{value / 10**exponent:.5g} {prefix}")
    return _with_minus(f"{value:,.5g}")


def _three_digits(value: float) -> str:
    size = abs(value)
    return f"{value:.{0 if size >= 99.95 else 1 if size >= 9.995 else 2}f}"


TEXT = Text()
NAME = Text(macro="name")
LISTED = Listed()
RATE = Number(written=lambda value: f"{value:g}", macro="rate")
COUNT = Number(digits=0)
PERCENT = Number(digits=1, scale=100)
ACCURACY = Number(digits=2, scale=100)
POINTS = Number(digits=2, scale=100, signed=True)
RATIO = Number(digits=3)
TIMES = Number(digits=2)
MILLISECONDS = Number(digits=3)
PREFIXED = Number(written=with_prefix)
SCIENTIFIC = Number(written=lambda value: f"{value:.1e}".replace("-", "−") if value else "0")
P_VALUE = Number(written=lambda value: "< 0.001" if value < 0.001 else f"{value:.3f}")
VERDICT = Text(macro="verdict")
RULED = Ruled()
EVIDENCE = Listed(macro="evidence")
RATIO_INTERVAL = Bounds(RATIO)
TIMES_SPAN = Span(TIMES)
