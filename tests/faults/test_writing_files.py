"""Files that are killed while they are written, on disks that are full or fail; the order of writing, as traced."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from prunus.sweep.checkpoints import Checkpoints
from prunus.sweep.leases import Lease

WRITE = """
import sys
from pathlib import Path
from prunus.store import write_atomically
write_atomically(Path(sys.argv[1]), b"new" * 1000)
"""


def traced(path, *options):
    """Write a file in a process of its own under strace, and give what it did to the disk."""
    if shutil.which("strace") is None:
        if os.environ.get("PRUNUS_REQUIRE_CLUSTERS"):
            pytest.fail("strace is not installed")
        pytest.skip("strace is not installed: apt-get install strace")
    log = path.parent.parent / "trace"
    calls = "trace=openat,write,fsync,rename,renameat,renameat2"
    command = ["strace", "-f", "-y", "-o", log, "-e", calls, *options, sys.executable, "-c", WRITE, path]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if "Operation not permitted" in done.stderr and "ptrace" in done.stderr:
        pytest.skip("no process may be traced here")
    return done, log.read_text()


@pytest.fixture
def target(tmp_path):
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "file").write_bytes(b"old")
    return tmp_path / "place" / "file"


def test_the_order_is_write_fsync_rename_fsync_of_the_folder(target):
    done, trace = traced(target)
    assert done.returncode == 0, done.stderr
    mine = [line for line in trace.splitlines() if str(target.parent) in line and "O_RDONLY" not in line]
    steps = [re.search(r"(openat|write|fsync|rename\w*)\(", line)[1] for line in mine]
    assert steps == ["openat", "write", "fsync", "rename", "fsync"]
    assert f"{target.parent}/." in mine[0]  # beside its target: the same device
    assert mine[-1].count(f"<{target.parent}>") == 1


@pytest.mark.parametrize(
    ("call", "when", "left"),
    [("fsync", 1, b"old"), ("rename", 1, b"old"), ("fsync", 2, b"new" * 1000)],
    ids=["before it is safe", "before the rename", "before the folder is safe"],
)
def test_killed_at_every_step_the_old_file_or_the_new_one_is_there(target, call, when, left):
    done, _ = traced(target, "-e", f"inject={call}:error=EIO:signal=KILL:when={when}")
    assert done.returncode in (-9, 137)
    assert target.read_bytes() == left


def test_a_full_disk_and_a_failing_one_keep_the_old_file(target):
    for error, word in (("ENOSPC", "is full"), ("EIO", "Input/output error")):
        done, _ = traced(target, "-e", f"inject=fsync:error={error}:when=1")
        assert done.returncode == 1
        assert word in done.stderr
        assert target.read_bytes() == b"old"
        assert os.listdir(target.parent) == ["file"]


def checkpoints(tmp_path):
    lease = Lease.grant("t", tmp_path / "t" / "lease")
    return Checkpoints(tmp_path / "t" / "checkpoint.safetensors", lease, 0.0)


def test_a_checkpoint_that_was_cut_off_is_passed_over_with_one_line(tmp_path, capsys):
    ours = checkpoints(tmp_path)
    (tmp_path / "t" / ".checkpoint.safetensors.77.tmp").write_bytes(b"half")
    assert ours.resume(lambda: "fresh") == "fresh"
    assert capsys.readouterr().out.count("\n") == 1
    assert os.listdir(tmp_path / "t") == ["lease"]
    assert ours.problems == []


def test_a_damaged_checkpoint_is_told_in_one_line_and_the_trial_starts_anew(tmp_path, capsys):
    ours = checkpoints(tmp_path)
    ours.path.write_bytes(b"\x80\x04payload")
    assert ours.resume(lambda: "fresh") == "fresh"
    assert "checkpoint.safetensors" in ours.unread
    assert capsys.readouterr().out.count("\n") == 1


def test_a_disk_that_fails_stops_no_trial_and_is_told_once(tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("prunus.sweep.checkpoints.save_checkpoint", fail)
    ours = checkpoints(tmp_path)
    assert not ours.save(None)
    assert not ours.save(None)
    assert len(ours.problems) == 1
    assert "the one before it was kept" in capsys.readouterr().out
