"""Every run on the study's folder."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import (
    COUNT,
    TEXT,
)


def sessions_table(findings: Findings) -> Table:
    """A row per session."""
    return Table(
        "sessions",
        "Every run on this study's folder",
        (
            Column("session", COUNT),
            Column("started", TEXT),
            Column("ended", TEXT),
            Column("outcome", TEXT),
            Column("command", TEXT),
            Column("study", TEXT),
            Column("code", TEXT),
            Column("data", TEXT),
        ),
        tuple(
            (
                session.session,
                session.started_at,
                session.ended_at,
                session.outcome or "running, or killed",
                session.command,
                session.study_digest[:16],
                session.code_digest[:16],
                session.data_digest[:16],
            )
            for session in findings.provenance.sessions
        ),
        most_rows=60,
    )
