"""What a report page consists of: blocks of data, shown by templates that escape everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from prunus.report.forms import Form

if TYPE_CHECKING:
    from prunus.report.figures.drawing import Drawing
    from prunus.report.figures.palette import Palette

Basis = Literal["asked", "computed", "measured"]


@dataclass(frozen=True)
class Paragraph:
    """Plain text; `words in backticks` are shown as code."""

    text: str
    tone: Literal["body", "lead", "note", "warning", "answer"] = "body"
    macro: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class Bullets:
    """Sentences, one below the other."""

    items: tuple[str, ...]
    macro: ClassVar[str] = "bullets"


@dataclass(frozen=True)
class Column:
    """One column of a table. `basis` says whether its numbers were asked for, computed or measured."""

    title: str
    form: Form
    basis: Basis | None = None


@dataclass(frozen=True)
class Table:
    """Rows of values, one form per column. Written as `tables/NAME.csv`; the page shows the first `most_rows`."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    empty: str = "Nothing to show."
    folded: bool = False  # shown behind its caption
    most_rows: int = 60
    macro: ClassVar[str] = "table"


@dataclass(frozen=True)
class Toggle:
    """Marks of a chart that the reader can switch off: all whose class is `hides`."""

    label: str
    hides: str


@dataclass(frozen=True)
class Chart:
    """A figure and the table of what it shows. Written as `figures/NAME.svg` and `.png`."""

    name: str
    title: str
    description: str  # for those who do not see it
    draw: Callable[[Palette], Drawing]
    table: Table
    caption: str = ""
    toggle: Toggle | None = None
    open_table: bool = False  # the table is as important as the chart
    macro: ClassVar[str] = "chart"


@dataclass(frozen=True)
class Facts:
    """Pairs of a term and what it is."""

    pairs: tuple[tuple[str, str], ...]
    macro: ClassVar[str] = "facts"


@dataclass(frozen=True)
class Listing:
    """Long text behind its title, as it is."""

    title: str
    text: str
    macro: ClassVar[str] = "listing"


@dataclass(frozen=True)
class Group:
    """Blocks under a heading of their own."""

    title: str
    blocks: tuple[Block, ...] = field(default=())
    macro: ClassVar[str] = "group"


Block = Paragraph | Bullets | Table | Chart | Facts | Listing | Group


def tables_in(blocks: Sequence[Block]) -> Iterator[Table]:
    """All tables, those of charts included, in order."""
    for block in blocks:
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Chart):
            yield block.table
        elif isinstance(block, Group):
            yield from tables_in(block.blocks)


def charts_in(blocks: Sequence[Block]) -> Iterator[Chart]:
    """All charts, in order."""
    for block in blocks:
        if isinstance(block, Chart):
            yield block
        elif isinstance(block, Group):
            yield from charts_in(block.blocks)
