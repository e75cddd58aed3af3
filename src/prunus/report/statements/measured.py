"""What the statements on speed, memory and size have in common: the highest measured rate of a recipe."""

from __future__ import annotations

from prunus.report.analysis.latencies import LatencyInfo
from prunus.report.analysis.memories import MemoryInfo
from prunus.report.analysis.sizes import SizeInfo
from prunus.report.findings import Findings


def top_latencies(findings: Findings, recipe: str) -> tuple[LatencyInfo, ...]:
    """The recipe's timed cells of its highest timed rate, those whose ratio has an interval."""
    timed = [
        info
        for info in findings.latencies.infos
        if info.recipe == recipe and info.ratio is not None and info.ratio.known
    ]
    top = max((info.rate for info in timed), default=0.0)
    return tuple(info for info in timed if info.rate == top)


def top_memories(findings: Findings, recipe: str) -> tuple[MemoryInfo, ...]:
    """The recipe's measured memories of its highest measured rate."""
    measured = [info for info in findings.memories if info.recipe == recipe and info.ratio is not None]
    top = max((info.rate for info in measured), default=0.0)
    return tuple(info for info in measured if info.rate == top)


def top_sizes(findings: Findings, recipe: str) -> tuple[SizeInfo, ...]:
    """The recipe's files of its highest rate that has any."""
    written = [info for info in findings.sizes if info.recipe == recipe and info.ratio is not None]
    top = max((info.rate for info in written), default=0.0)
    return tuple(info for info in written if info.rate == top)
