"""Whatever the terminal, the file system and the rights are: every command prints, and blames no one."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from prunus.cli.terminal import print_table
from prunus.errors import StoreError
from prunus.spec import load_study
from prunus.store import FolderLock, write_atomically
from prunus.sweep.run import run_study
from small_study import STUDY

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
FAULT = "fault of prunus"


def prunus(*arguments: object, before: tuple[str, ...] = (), cwd: Path | None = None, **environment: str):
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(
        [*before, sys.executable, "-P", "-m", "prunus", *map(os.fspath, map(str, arguments))],
        capture_output=True, cwd=cwd, check=False,
        env={**os.environ, "PYTHONPATH": paths, "COLUMNS": "100", **environment},
    )  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    (folder / "small.toml").write_text(STUDY.replace("epochs = 5", "epochs = 0"))
    run_study(load_study(folder / "small.toml"), folder / "out")
    return folder / "out"


@pytest.mark.parametrize("command", ["list", "list recipes", "show OUT", "report OUT", "doctor", "cost mlp --layers"])
def test_every_command_prints_where_there_is_nothing_but_ascii(command: str, study: Path) -> None:
    done = prunus(*(str(study) if word == "OUT" else word for word in command.split()), **ASCII)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode()


def test_a_study_with_names_of_any_language_is_run_where_there_is_nothing_but_ascii(tmp_path: Path) -> None:
    file = tmp_path / "Prüfung 研究.toml"
    file.write_text(
        'about = "Prüfung: ±1 %"\n' + STUDY.replace("epochs = 5", "epochs = 0").replace('name = "small"', "")
    )
    done = prunus("run", file, "--out", tmp_path / "out", **ASCII)
    assert done.returncode == 0, done.stderr
    assert "Prüfung: ±1 %" in (tmp_path / "out" / "report.html").read_text()
    done = prunus("show", tmp_path / "nirgends-ü", **ASCII)
    assert done.returncode == 4
    assert b"There is no study in" in done.stderr


def test_a_name_that_is_no_utf8_is_printed(tmp_path: Path) -> None:
    done = prunus("show", os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    assert done.returncode == 4
    assert FAULT.encode() not in done.stderr


@pytest.mark.parametrize("columns", [20, 40, 79])
def test_no_column_is_left_out_of_a_narrow_terminal(columns: int, study: Path) -> None:
    wide, narrow = (prunus("show", study, COLUMNS=str(width)).stdout.decode() for width in (120, columns))
    heads = ("rate", "trials", "accuracy, %", "points", "zero %", "MACs %", "BOPs %", "size", "latency")
    assert all(head in narrow for head in heads)
    assert [line for line in wide.splitlines() if "/2" in line] == [
        line for line in narrow.splitlines() if "/2" in line
    ]


def test_a_table_keeps_its_columns_however_narrow(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table()
    for name in ("first", "second", "third", "fourth"):
        table.add_column(name, no_wrap=True)
    table.add_row(*["value-of-ten"] * 4)
    print_table(Console(width=12), table)
    assert capsys.readouterr().out.count("value-of-ten") == 4


@pytest.mark.parametrize("command", ["show", "report", "run", "inspect", "cost"])
@pytest.mark.parametrize("name", ["n" * 300, "d/" * 1000 + "x", "file.toml/below", "n" * 300 + ".toml"])
def test_names_that_no_file_can_have(command: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "file.toml").write_text(STUDY)
    done = prunus(command, name, cwd=tmp_path)
    assert done.returncode in (2, 4, 5), done.stderr
    assert FAULT.encode() not in done.stderr


def test_a_path_that_is_too_long_for_the_store(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(STUDY)
    deep = tmp_path / "/".join(["d" * 100] * 5) / "out"
    done = prunus("run", tmp_path / "small.toml", "--out", deep)
    assert done.returncode == 4
    assert b"The path" in done.stderr
    assert b"is too long" in done.stderr


def test_a_study_in_a_long_path_can_be_looked_at(study: Path, tmp_path: Path) -> None:
    deep = tmp_path / "/".join(["d" * 100] * 5)
    shutil.copytree(study, deep)
    assert prunus("show", deep).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs to become another user")
@pytest.mark.parametrize("command", ["show", "report", "run"])
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_another_users_study(command: str, mode: int, study: Path) -> None:
    """One can look at it where that is allowed, and nothing else."""
    parents = [path for path in (study, *study.parents) if Path(tempfile.gettempdir()) in path.parents]
    before = {path: path.stat().st_mode for path in parents}
    for path in parents[1:]:
        path.chmod(0o755)
    study.chmod(mode)
    try:
        other = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        done = prunus(command, study, before=other, HOME="/nonexistent")
    finally:
        for path, was in before.items():
            path.chmod(was)
    if b"No module named" in done.stderr or b"Permission denied: '/" in done.stderr:
        pytest.skip("another user cannot read what this one runs")
    assert FAULT.encode() not in done.stderr
    if command == "show" and mode == 0o755:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode in (2, 4, 5), done.stderr
        assert b"ermission" in done.stderr or b"is not readable" in done.stderr


STRACE = ("strace", "-f", "-qq", "-o", "/dev/null")


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
@pytest.mark.parametrize(
    ("calls", "code"),
    [
        ("fsync:error=EINVAL", 1),
        ("flock:error=ENOLCK", 4),
        ("flock:error=EOPNOTSUPP", 4),
        ("mkdir,mkdirat:error=EROFS", 5),
        ("write,pwrite64:error=EIO:when=40+", None),
    ],
)
def test_file_systems_that_refuse(calls: str, code: int | None, study: Path, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(STUDY.replace("epochs = 5", "epochs = 0"))
    names, _, action = calls.partition(":")
    before = (*STRACE, "-e", f"trace={names}", "-e", f"inject={calls}")
    done = prunus("run", tmp_path / "small.toml", "--out", tmp_path / "new" / "out", before=before)
    assert FAULT.encode() not in done.stderr, (action, done.stderr)
    assert done.returncode
    if code not in (None, 1):
        assert done.returncode == code, done.stderr


def test_a_folder_that_cannot_be_synced_is_written_to_all_the_same(tmp_path: Path, monkeypatch) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(22, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomically(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_folder_on_a_file_system_without_locks(tmp_path: Path, monkeypatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StoreError, match=r"cannot be locked. No locks available. Choose an --out on a disk"):
        FolderLock(tmp_path).__enter__()
