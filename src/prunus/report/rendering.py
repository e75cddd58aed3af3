"""Blocks of data to one HTML page that opens offline under a strict content security policy."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from prunus.report.content import Block
from prunus.report.names import visible, visible_lines
from prunus.report.palette import Palette


@dataclass(frozen=True)
class Section:
    """A page's place in the report: its anchor, and its markup."""

    anchor: str
    title: str
    body: Markup


@dataclass(frozen=True)
class Live:
    """When the page of a running study was written, and after how many seconds it reads itself anew."""

    written: str
    seconds: int


def render_section(
    anchor: str,
    title: str,
    content: Sequence[Block],
    drawings: Mapping[str, str],
    palette: Palette,
    *,
    folded: bool = False,
) -> Section:
    """A page's blocks as markup.

    drawings: name of a chart -> its SVG, or several for several widths; a chart not among them could not be drawn.
    folded: the section stands behind its title, and its longer tables behind theirs.
    """
    body = (
        _environment()
        .get_template("section.html.jinja")
        .render(
            anchor=anchor,
            title=title,
            failure=None,
            content=content,
            drawings={name: Markup(svg) for name, svg in drawings.items()},  # noqa: S704 - of inline_svg, which escapes
            rate_index=palette.rate_index,
            folded=folded,
        )
    )
    return Section(anchor, title, Markup(body))  # noqa: S704 - rendered with autoescape


def failed_section(anchor: str, title: str, failure: str) -> Section:
    """Says in a page's place why it could not be made."""
    template = _environment().get_template("section.html.jinja")
    body = template.render(anchor=anchor, title=title, failure=failure, drawings={}, rate_index=None, folded=False)
    return Section(anchor, title, Markup(body))  # noqa: S704 - rendered with autoescape


def render(
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    palette: Palette,
    kind: str = "Pruning study",
    live: Live | None = None,
) -> str:
    """The whole page. kind: what it reports on."""
    style = _template("style.css") + _variables(palette) + _cards(sections)
    script = _template("script.js")
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            kind=kind,
            title=title,
            subtitle=subtitle,
            sections=sections,
            live=live,
            style=Markup(style),  # noqa: S704 - of the package
            script=Markup(script),  # noqa: S704 - of the package
            style_hash=_hash(style),
            script_hash=_hash(script),
        )
    )


def prose(text: object) -> Markup:
    """Any text as markup: escaped, nothing hidden, `words in backticks` as code.

    >>> prose("`a` < b")
    Markup('<code>a</code> &lt; b')
    """
    markup = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(visible_lines(text))))
    return Markup(re.sub(r"(?<=\d) (?=%|points?\b)", "\N{NO-BREAK SPACE}", markup))  # noqa: S704


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("prunus.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = prose
    environment.filters["visible"] = visible
    return environment


def _template(name: str) -> str:
    return (files("prunus.report") / "templates" / name).read_text(encoding="utf-8")


def _variables(palette: Palette) -> str:
    """The palette as CSS variables, light and dark, and a class per rate."""
    light = "".join(f"--{name}:{pair[0]};" for name, pair in palette.variables.items())
    dark = "".join(f"--{name}:{pair[1]};" for name, pair in palette.variables.items())
    classes = "".join(f".rate-{index}{{--swatch:var(--rate-{index})}}" for index in range(len(palette.rates)))
    return f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}{classes}"


CARDS = (
    "TABLE thead{display:none}TABLE tbody,TABLE tr,TABLE td{display:block}"
    "TABLE tr{border-top:1px solid var(--muted);padding:.45rem 0}"
    "TABLE td,TABLE td.number{display:flex;justify-content:space-between;gap:1rem;border:0;padding:.08rem .2rem;"
    "white-space:normal;text-align:right;max-width:none;min-width:0}TABLE td>*{min-width:0}"
    "TABLE td::before{content:attr(data-head);color:var(--muted);text-align:left;flex:none;max-width:55%}"
    "TABLE td:first-child{font-weight:620;color:var(--ink)}TABLE .bounds{display:inline}"
)
"""A table that is too broad for its place: a card per row, each value beside the head of its column."""


def _cards(sections: Sequence[Section]) -> str:
    """Where a table of each breadth that there is turns into cards: container queries do it, and no script."""
    breadths = {int(rem) for section in sections for rem in re.findall(r"<table class=\"data rem-(\d+)", section.body)}
    return "".join(
        f"@container (width<{rem}rem){{{CARDS.replace('TABLE', f'.rem-{rem}')}}}" for rem in sorted(breadths)
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
