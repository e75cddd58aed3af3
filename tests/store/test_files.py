import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from prunus.errors import StoreError
from prunus.store import EpochRow, FolderLock, read_result, write_atomically, write_result

ROW = EpochRow("a", 1, 0.1 + 0.2, 0.25, 3, 4, 0.0, 1e-3, 0.1)


def test_a_write_replaces_the_whole_file_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"long old content")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "not bytes")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_results_come_back_bit_for_bit(tmp_path):
    write_result(tmp_path / "result.json", [ROW])
    assert read_result(tmp_path / "result.json") == [ROW]


def test_a_result_cut_at_every_byte_is_one_error(tmp_path):
    path = tmp_path / "result.json"
    write_result(path, [ROW])
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match="damaged"):
            read_result(path)


@pytest.mark.parametrize("change", [(b'"epoch"', b'"epock"'), (b"0.25", b'"a"'), (b'"format": 1', b'"format": 2')])
def test_results_that_say_something_else_are_refused(tmp_path, change):
    path = tmp_path / "result.json"
    write_result(path, [ROW])
    path.write_bytes(path.read_bytes().replace(*change))
    with pytest.raises(StoreError):
        read_result(path)


def hold(folder, held):
    with FolderLock(folder):
        held.set()
        time.sleep(60)


def test_the_second_is_refused_while_the_first_lives_and_let_in_when_it_is_killed(tmp_path):
    context = multiprocessing.get_context("fork")
    held = context.Event()
    first = context.Process(target=hold, args=(tmp_path, held))
    first.start()
    assert held.wait(10)
    with pytest.raises(StoreError, match=f"process {first.pid}"), FolderLock(tmp_path, patience_seconds=0.2):
        pass
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    with FolderLock(tmp_path, patience_seconds=0.2):
        pass


def test_a_folder_that_can_only_be_read_is_one_clear_error(tmp_path):
    if os.geteuid() == 0:
        folder = Path("/proc/self")  # where even root can make no file
    else:
        folder = tmp_path
        folder.chmod(0o555)
    with pytest.raises(StoreError, match="cannot be written to"), FolderLock(folder):
        pass


def test_a_child_that_outlives_its_parent_keeps_the_lock(tmp_path):
    lock = FolderLock(tmp_path)
    lock.__enter__()
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    lock.__exit__(None, None, None)
    with pytest.raises(StoreError), FolderLock(tmp_path, patience_seconds=0.2):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with FolderLock(tmp_path, patience_seconds=0.2):
        pass


@pytest.mark.parametrize(
    "said", ["{mine}", "1", "", "999999999", "\0" * 40], ids=["mine", "1", "none", "gone", "zeros"]
)
@pytest.mark.parametrize("age_seconds", [0.0, 1e9, -1e9])
def test_what_a_dead_run_left_in_its_lock_keeps_nobody_out(tmp_path, said, age_seconds):
    """Its process id may be another process's by now, and the clock may have been set; neither is asked."""
    (tmp_path / "lock").write_text(said.format(mine=os.getpid()))
    os.utime(tmp_path / "lock", (time.time() - age_seconds,) * 2)
    with FolderLock(tmp_path, patience_seconds=0.0):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_a_lock_that_is_held_keeps_others_out_whatever_its_age_and_its_process_id(tmp_path):
    held = FolderLock(tmp_path)
    with held:
        (tmp_path / "lock").write_text("999999999")  # no such process
        os.utime(tmp_path / "lock", (0.0, 0.0))
        with pytest.raises(StoreError, match="is being run by process 999999999"):
            FolderLock(tmp_path, patience_seconds=0.0).__enter__()
