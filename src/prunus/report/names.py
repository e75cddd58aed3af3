"""Names from a study made safe to show: whoever named a layer or wrote an error is not trusted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Control characters, lone surrogates, non-characters and the marks that reorder text: none of them is visible, all of
# them can deceive, and XML forbids most.
_INVISIBLE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff]"
)


def visible(text: object, limit: int = 160) -> str:
    """One line of text in which nothing is hidden, at most `limit` characters.

    >>> visible("conv\\x1b[31m1")
    'conv\\\\x1b[31m1'
    >>> visible("a" * 9, limit=5)
    'aaaa…'
    """
    return _shortened(_escaped(str(text)[: 4 * limit].replace("\n", " ")), limit)


def visible_lines(text: object, limit: int = 4000) -> str:
    """As `visible`, with line ends kept."""
    return _shortened(_escaped(str(text)[: 4 * limit].replace("\r\n", "\n").replace("\t", "    ")), limit)


def file_name(text: object) -> str:
    """A name for a file on any system, out of any text.

    >>> file_name("../../My Recipe")
    'my-recipe'
    """
    plain = unicodedata.normalize("NFKD", str(text)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "unnamed"


def file_names(texts: Iterable[str]) -> dict[str, str]:
    """A name for a file for each text, no two alike.

    >>> file_names(["a.b", "a-b"])
    {'a.b': 'a-b', 'a-b': 'a-b-2'}
    """
    names: dict[str, str] = {}
    for text in texts:
        name = base = file_name(text)
        number = 1
        while name in names.values():
            number += 1
            name = f"{base}-{number}"
        names[text] = name
    return names


def _escaped(text: str) -> str:
    if text.isprintable():  # most texts are, and this is quick to say
        return text
    return _INVISIBLE.sub(lambda match: _escape(ord(match[0])), text)


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
