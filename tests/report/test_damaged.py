"""Stores that are damaged, folders that lack files: what is left is drawn, and what is missing is named."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from prunus.errors import StoreError
from prunus.report.build import build_report
from prunus.store import EpochRow, Store, read_study
from prunus.store.salvage import salvage
from prunus.store.schema import TABLES
from report.made_study import Made, made_study

PAGE = 4096
OVERRIDES = ('recipes=["structured"]', "rates=[0,0.8]", "seeds=[0,1]", "training.epochs=6")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_study(tmp_path_factory.mktemp("whole"), Made(overrides=OVERRIDES))


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy to damage, with the study beside its store, as every run leaves it."""
    shutil.copytree(whole, tmp_path / "study")
    (tmp_path / "study" / "study.json").write_text(read_study(whole).study.model_dump_json())
    return tmp_path / "study"


def told(folder: Path) -> list[str]:
    """The messages of what is missing, after a look at the page: whole, and with each of them at its top."""
    text = build_report(folder).read_text()
    assert "data-failed" not in text
    summary = text[: text.index('<section id="accuracy"')]
    messages = sorted({row.message for row in read_study(folder).problems if row.stage == "store"})
    for message in messages:
        assert message.replace("'", "&#39;") in summary
    assert ("Something of this study is missing" in summary) == bool(messages)
    return messages


def page_of(path: Path, table: str) -> int:
    """The file's page, counted from 0, in which a table begins."""
    with sqlite3.connect(path) as connection:
        root: int = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    connection.close()
    return root - 1


def overwrite(path: Path, page: int, content: bytes = bytes(PAGE)) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(content)


def test_of_a_whole_study_nothing_is_missing(folder: Path) -> None:
    assert told(folder) == []


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_a_table_that_is_gone_is_named(folder: Path, table: str) -> None:
    with sqlite3.connect(folder / Store.FILE_NAME) as connection:
        connection.execute(f"DROP TABLE {table}")
    connection.close()
    messages = told(folder)
    assert any(f"has no table '{table}'" in message for message in messages)
    assert (table == "sessions") == any("study.json was taken" in message for message in messages)


@pytest.mark.parametrize("table", [table.name for table in TABLES])
@pytest.mark.parametrize("content", [bytes(PAGE), bytes(range(256)) * 16], ids=["zeros", "noise"])
def test_a_page_that_was_written_over_is_named(folder: Path, table: str, content: bytes) -> None:
    path = folder / Store.FILE_NAME
    overwrite(path, page_of(path, table), content)
    assert any(f"rows of its table '{table}' are left" in message for message in told(folder))


def test_a_store_cut_at_every_page_is_drawn_or_is_one_clear_error(folder: Path) -> None:
    path = folder / Store.FILE_NAME
    content = path.read_bytes()
    drawn = 0
    for length in range(0, len(content), PAGE // 2):
        path.write_bytes(content[:length])
        try:
            rows = read_study(folder)
        except StoreError:
            continue
        drawn += 1
        assert [row for row in rows.problems if row.stage == "store"], length
    assert drawn > len(content) // PAGE
    assert told(folder)


def test_rows_before_and_after_the_damage_are_read(tmp_path: Path) -> None:
    with Store(tmp_path, create=True) as store, store.transaction():
        store.put(EpochRow(f"{number:04}", 1, 0.5, 0.25, 3, 4, 0.0, 1e-3, 0.1) for number in range(2000))
    path = tmp_path / Store.FILE_NAME
    overwrite(path, path.read_bytes().index(b"1000") // PAGE)
    rows, problems = salvage(path)
    found = {int(row.trial) for row in rows[EpochRow]}
    lost = {*range(2000)} - found
    assert 1000 in lost
    assert lost == {*range(min(lost), max(lost) + 1)}
    assert len(lost) < 100
    assert len(problems) == 1


def test_rows_and_files_that_are_missing_are_named_with_their_trials(folder: Path) -> None:
    with sqlite3.connect(folder / Store.FILE_NAME) as connection:
        trial = connection.execute("SELECT trial FROM trials WHERE recipe IS NULL AND seed = 1").fetchone()[0]
        connection.execute("DELETE FROM epochs WHERE trial = ? AND epoch = 3", (trial,))
        connection.execute("DELETE FROM costs WHERE trial = ?", (trial,))
    connection.close()
    [weights, other, *_] = sorted((folder / "models").glob("*.safetensors"))
    weights.unlink()
    other.write_bytes(b"short")
    assert told(folder) == [
        "Files (safetensors) of finished trials are missing in the study's folder",
        "Files (safetensors) of finished trials have another size than was recorded",
        "Rows of finished trials are missing in the table 'costs'",
        "Rows of finished trials are missing in the table 'epochs'",
    ]
    assert "in the table &#39;epochs&#39;: unpruned, seed 1." in (folder / "report.html").read_text()


@pytest.mark.parametrize("content", [b"", bytes(9 * PAGE), b"no store" * 1000])
def test_what_cannot_be_read_at_all_is_one_clear_error(folder: Path, content: bytes) -> None:
    path = folder / Store.FILE_NAME
    path.write_bytes(content)
    with pytest.raises(StoreError) as error:
        build_report(folder)
    assert str(path) in str(error.value)
    assert "estore" in str(error.value)  # what to do


def test_a_path_that_leads_out_of_the_folder_is_not_looked_at(folder: Path) -> None:
    with sqlite3.connect(folder / Store.FILE_NAME) as connection:
        connection.execute("UPDATE files SET path = '/etc/passwd' WHERE format = 'onnx'")
        connection.execute("UPDATE files SET path = '../../../etc/passwd' WHERE format != 'onnx'")
    connection.close()
    assert {message.partition(" of ")[2] for message in told(folder)} == {
        "finished trials are missing in the study's folder"
    }
