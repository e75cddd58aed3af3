"""Everything needed to run the study again, and where its numbers come from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from prunus.report.content import Block, Facts, Group, Listing, Page, Paragraph
from prunus.report.findings import Findings, once_per_study
from prunus.report.forms import COUNT, TEXT
from prunus.report.names import visible, visible_lines
from prunus.report.tables import Table, table_of
from prunus.report.words import joined
from prunus.spec.part import Part
from prunus.spec.trial import CLASSIFICATION
from prunus.store.rows import SessionRow

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ProvenanceInfo:
    """Where the rows come from."""

    study: str
    digest: str
    about: str
    model: str
    data: str
    task: Pairs  # and its metric; nothing of classification
    epochs: int
    rates: tuple[float, ...]
    seeds: tuple[int, ...]
    command: str
    machine: Pairs
    versions: Pairs
    changed: tuple[str, ...]  # what differs between the sessions
    sessions: tuple[SessionRow, ...]
    resolved: str  # the whole study, as JSON


@once_per_study
def provenance_info(findings: Findings) -> ProvenanceInfo:
    """The provenance of the last session; what an earlier one had differently is listed in `changed`."""
    study, sessions = findings.rows.study, findings.rows.sessions
    last = sessions[-1] if sessions else None
    return ProvenanceInfo(
        study=study.name,
        digest=study.digest,
        about=study.about,
        model=_named(study.model),
        data=_named(study.data),
        task=_task(findings),
        epochs=study.training.epochs,
        rates=study.rates,
        seeds=study.seeds,
        command=sessions[0].command if sessions else "",
        machine=_pairs(last.machine if last else "{}"),
        versions=_pairs(last.versions if last else "{}"),
        changed=_changed(sessions),
        sessions=sessions,
        resolved=json.dumps(study.model_dump(mode="json"), indent=2, ensure_ascii=False),
    )


def _task(findings: Findings) -> Pairs:
    study, metric = findings.rows.study, findings.metric
    if study.task == CLASSIFICATION and metric.is_accuracy:
        return ()
    told = f"{metric.with_unit(metric.name)}; {metric.better} is better; margin {metric.within}"
    return (("task", _named(study.task)), ("metric", told))


def _changed(sessions: tuple[SessionRow, ...]) -> tuple[str, ...]:
    names = ("study_digest", "code_digest", "data_digest", "versions", "machine")
    return tuple(name.removesuffix("_digest") for name in names if len({getattr(row, name) for row in sessions}) > 1)


def _named(part: Part) -> str:
    """The part with the settings that say something."""
    return str(Part(name=part.name, settings={key: value for key, value in part.settings.items() if value}))


def _pairs(text: str) -> Pairs:
    """A JSON object as pairs; what is nested is shown as JSON, what is no object as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return (("as stored", text),)
    if not isinstance(value, dict):
        return (("as stored", text),)
    return tuple(
        (str(key), inner if isinstance(inner, str) else json.dumps(inner, ensure_ascii=False))
        for key, inner in value.items()
    )


def sessions_table(findings: Findings) -> Table:
    """A row per session."""
    return table_of(
        "sessions",
        "Every run on this study's folder",
        provenance_info(findings).sessions,
        (
            ("session", COUNT, None, lambda session: session.session),
            ("started", TEXT, None, lambda session: session.started_at),
            ("ended", TEXT, None, lambda session: session.ended_at),
            ("outcome", TEXT, None, lambda session: session.outcome or "running, or killed"),
            ("command", TEXT, None, lambda session: session.command),
            ("study", TEXT, None, lambda session: session.study_digest[:16]),
            ("code", TEXT, None, lambda session: session.code_digest[:16]),
            ("data", TEXT, None, lambda session: session.data_digest[:16]),
        ),
        most_rows=60,
    )


MOST_OF_STUDY = 60_000


class ProvenancePage(Page):
    """Machine, versions, digests, sessions, the command to repeat it."""

    title: ClassVar[str] = "Provenance"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """Everything needed to run the study again."""
        info = provenance_info(findings)
        blocks: list[Block] = [
            Facts(
                (
                    ("study", info.study),
                    ("study digest", info.digest),
                    ("model", visible(info.model)),
                    ("data", visible(info.data)),
                    *info.task,
                    ("rates", ", ".join(f"{rate:g}" for rate in info.rates)),
                    ("seeds", ", ".join(str(seed) for seed in info.seeds)),
                    ("epochs", str(info.epochs)),
                )
            ),
            Paragraph("The command to repeat it:"),
            Listing("", visible_lines(info.command)),
        ]
        if info.changed:
            blocks.append(
                Paragraph(
                    f"Between the sessions of this study there was a change of: {joined(info.changed)}.", "warning"
                )
            )
        blocks += [
            Group("Machine", (Facts(_shown(info.machine)),)),
            Group("Versions", (Facts(_shown(info.versions)),)),
            Group("Sessions", (sessions_table(findings),)),
            Listing("The whole study, resolved", visible_lines(info.resolved, MOST_OF_STUDY)),
        ]
        return tuple(blocks)


def _shown(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((visible(term), visible(value, 400)) for term, value in pairs[:80])
