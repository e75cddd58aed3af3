"""Which processor this is. Imports nothing that is large."""

from __future__ import annotations

import platform
from pathlib import Path


def processor_info() -> dict[str, str]:
    """The first core's fields, as Linux lists them; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return fields_of(text)


def fields_of(text: str) -> dict[str, str]:
    r"""The first block of lines `name : value`.

    >>> fields_of("model name\t: Some CPU\n\nmodel name\t: another")
    {'model name': 'Some CPU'}
    """
    pairs = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def processor_name() -> str:
    """The processor's name, as far as the system says it; else the architecture."""
    info = processor_info()
    return info.get("model name") or info.get("Processor") or platform.processor() or platform.machine()
