"""A small table for a notebook's cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

MOST_ROWS = 40


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], most: int = MOST_ROWS) -> str:
    """A table as HTML; of more rows the first are shown, and how many there are.

    >>> table("costs", ["layer"], [["a<b"]])[:60]
    '<table><caption>costs</caption><thead><tr><th>layer</th></tr'
    """
    given = list(rows)
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in given[:most])
    more = f"; the first {most} of {len(given)} rows" if len(given) > most else ""
    above = f"<caption>{escape(caption + more)}</caption><thead><tr>{head}</tr></thead>"
    return f"<table>{above}<tbody>{body}</tbody></table>"
