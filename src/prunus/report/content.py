"""What a report page consists of: blocks of data, shown by templates that escape everything."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from prunus.report.drawing import Drawing
from prunus.report.findings import Findings
from prunus.report.palette import Palette
from prunus.report.tables import Table
from prunus.spec.part import Frozen


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
    narrow: Callable[[Palette], Drawing] | None = None  # the same for a telephone; None scales the chart down
    toggle: Toggle | None = None
    macro: ClassVar[str] = "chart"


@dataclass(frozen=True)
class Facts:
    """Pairs of a term and what it is. side_by_side: few pairs of sentences, a column each."""

    pairs: tuple[tuple[str, str], ...]
    side_by_side: bool = False
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


class Page(Frozen, ABC):
    """One section of the report. It gives data; how that is shown, and escaped, is the templates' business.

    `content` must do with whatever a study has: no finished trial, one seed, one rate, nothing measured.

    title: may have `StudyMetric.words` in it, such as `{Name}`. anchor: what links to the section are made of, in which
    words may stand as well; where it is empty, the name that the page is registered under. folded: whether it stands
    behind its title until that is opened, its longer tables behind theirs.
    """

    title: ClassVar[str]
    anchor: ClassVar[str] = ""
    folded: ClassVar[bool] = True

    @abstractmethod
    def content(self, findings: Findings) -> tuple[Block, ...]:
        """The page's blocks, in order; names in them need no care."""
