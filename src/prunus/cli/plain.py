"""Names of others on a terminal: neither markup nor control characters."""

from __future__ import annotations

import unicodedata

from rich.text import Text


def plain(value: object) -> Text:
    r"""The value as text in which nothing is markup and every control or direction character is spelled out.

    >>> str(plain("a[bold]b\x1b[31m"))
    'a[bold]b\\x1b[31m'
    """
    return Text("".join(_spelled(character) for character in str(value)))


def _spelled(character: str) -> str:
    is_control = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    return character.encode("unicode_escape").decode() if is_control else character
