"""What a study's numbers depend on besides the study: code, data, versions, machine; and what of it has changed."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from prunus.errors import StoreError
from prunus.measure import packages_of
from prunus.measure.machine import describe_machine, package_versions
from prunus.spec import Study
from prunus.store import SessionRow
from prunus.sweep.opened_files import user_files


def new_session(
    number: int, study: Study, data_digest: str, command: str, files: Mapping[str, str] = MappingProxyType({})
) -> SessionRow:
    """The row of a run that begins now."""
    return SessionRow(
        session=number,
        started_at=now(),
        ended_at=None,
        outcome=None,
        command=command,
        study=study.model_dump_json(),
        study_digest=study.digest,
        code_digest=code_digest(study),
        data_digest=data_digest,
        versions=json.dumps(_versions(study)),
        machine=json.dumps(describe_machine()),
        files=json.dumps(dict(files)),
    )


@dataclass(frozen=True)
class Conditions:
    """What every machine that works on a study must have in common. study: the resolved one, as JSON."""

    study: dict[str, Any]
    code: str
    data: str
    versions: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, session: SessionRow) -> Conditions:
        """The conditions of a session's coordinator."""
        study, versions = json.loads(session.study), json.loads(session.versions)
        return cls(study, session.code_digest, session.data_digest, versions, json.loads(session.files))

    @classmethod
    def here(cls, study: Study, data_digest: str, files: Mapping[str, str] = MappingProxyType({})) -> Conditions:
        """The conditions of this process, for a resolved study."""
        return cls(study.model_dump(mode="json"), code_digest(study), data_digest, _versions(study), dict(files))

    def to_json(self) -> bytes:
        """The conditions as a file's content."""
        return json.dumps(asdict(self)).encode()

    def _rest(self) -> dict[str, Any]:
        return {**asdict(self), "files": None}

    def refuse(self, here: Conditions) -> None:
        """Raise `StoreError` that says how this machine differs from the study's."""
        if changes := [*_changed_files(self.files, here.files), *_differences("", self._rest(), here._rest())]:
            raise StoreError(
                f"The machine {platform.node()} differs from the one that runs the study: {'; '.join(changes)}",
                "its trials would not be comparable with the others",
                "install the same versions and the same data there",
            )


def _versions(study: Study) -> dict[str, str]:
    return package_versions(packages_of(study.measurement.runtimes))


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def code_digest(study: Study) -> str:
    """Digest of prunus' own source and of the user's Python files that the study runs."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in [*sorted(root.rglob("*.py")), *user_files(study)]:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def refuse_changes(before: SessionRow, now: SessionRow) -> None:
    """Raise `StoreError` that says what has changed since the last run, if it can change a number."""
    changes = list(_changes(before, now))
    if changes:
        raise StoreError(
            f"The study was begun under other conditions: {'; '.join(changes)}",
            "its trials would not be comparable with those that are already stored",
            "choose another --out, or pass --allow-changes to go on here all the same",
        )


def _changes(before: SessionRow, now: SessionRow) -> Iterator[str]:
    if before.study_digest != now.study_digest:
        yield from _differences("", json.loads(before.study), json.loads(now.study))
    versions = json.loads(before.versions), json.loads(now.versions)
    yield from _differences("version of ", *versions)
    if before.code_digest != now.code_digest:
        yield f"code of prunus or of the study's own files ({before.code_digest} -> {now.code_digest})"
    if before.data_digest != now.data_digest:
        yield f"data ({before.data_digest[:16]} -> {now.data_digest[:16]})"
    yield from _changed_files(json.loads(before.files), json.loads(now.files))


def _changed_files(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Files that were opened both times, and were not the same."""
    for path in sorted({*before, *now}):
        if path in before and path in now and before[path] != now[path]:
            yield f"the file {path} ({before[path][:8]} -> {now[path][:8]})"


def _differences(prefix: str, before: Any, now: Any) -> Iterator[str]:
    """Leaves of two nested JSON values that differ: `training.epochs 50 -> 10`."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            if key not in ("about", "execution"):
                inner = prefix if prefix.endswith(" ") else f"{prefix}." if prefix else ""
                yield from _differences(f"{inner}{key}", before.get(key), now.get(key))
    elif before != now:
        yield f"{prefix} {_short(before)} -> {_short(now)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
