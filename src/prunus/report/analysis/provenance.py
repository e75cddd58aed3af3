"""Everything needed to run the study again."""

from __future__ import annotations

import json
from dataclasses import dataclass

from prunus.report.analysis.grid import Grid
from prunus.spec.part import Part
from prunus.store.rows import SessionRow

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SessionInfo:
    """One `prunus run` on the folder."""

    session: int
    started_at: str
    ended_at: str | None
    outcome: str | None
    command: str
    study_digest: str
    code_digest: str
    data_digest: str


@dataclass(frozen=True)
class ProvenanceInfo:
    """Where the rows come from."""

    study: str
    digest: str
    about: str
    model: str
    data: str
    epochs: int
    rates: tuple[float, ...]
    seeds: tuple[int, ...]
    command: str
    machine: Pairs
    versions: Pairs
    changed: tuple[str, ...]  # what differs between the sessions
    sessions: tuple[SessionInfo, ...]
    resolved: str  # the whole study, as JSON


def provenance_info(grid: Grid) -> ProvenanceInfo:
    """Of the last session; what an earlier one had differently is listed in `changed`."""
    study, sessions = grid.rows.study, grid.rows.sessions
    last = sessions[-1] if sessions else None
    return ProvenanceInfo(
        study=study.name,
        digest=study.digest,
        about=study.about,
        model=_named(study.model),
        data=_named(study.data),
        epochs=study.training.epochs,
        rates=study.rates,
        seeds=study.seeds,
        command=sessions[0].command if sessions else "",
        machine=_pairs(last.machine if last else "{}"),
        versions=_pairs(last.versions if last else "{}"),
        changed=_changed(sessions),
        sessions=tuple(
            SessionInfo(
                row.session,
                row.started_at,
                row.ended_at,
                row.outcome,
                row.command,
                row.study_digest,
                row.code_digest,
                row.data_digest,
            )
            for row in sessions
        ),
        resolved=json.dumps(study.model_dump(mode="json"), indent=2, ensure_ascii=False),
    )


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
