"""A store that was cut or spoiled is made anew from the results that lie beside it; leftovers are swept."""

import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from prunus.errors import DamagedStoreError, StoreError
from prunus.spec import load_study
from prunus.store import SessionRow, Store, read_study
from prunus.store.files import sweep_leftovers
from prunus.sweep.run import Options, run_study
from small_study import TWO_RECIPES, changed, rows_without_times, sessions


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    (folder / "small.toml").write_text(changed(TWO_RECIPES))
    run_study(load_study(folder / "small.toml"), folder / "out", Options())
    return folder / "out"


@pytest.fixture
def damaged(finished, tmp_path, request):
    """A copy whose store is changed."""
    out = shutil.copytree(finished, tmp_path / "out")
    whole = (out / Store.FILE_NAME).read_bytes()
    (out / Store.FILE_NAME).write_bytes(request.param(whole))
    return out


@pytest.mark.parametrize(
    "damaged",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:4096],
        lambda whole: whole[:50],
        lambda whole: bytes(len(whole)),
        lambda whole: whole[:8192] + bytes(len(whole) - 8192),
    ],
    ids=["half", "a page", "less than a header", "zeros", "zeros from the third page on"],
    indirect=True,
)
def test_it_ends_with_the_rows_that_it_had(damaged, finished):
    command = [sys.executable, "-P", "-m", "prunus", "run", str(damaged)]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 4
    done = subprocess.run([*command, "--rebuild-store"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "set aside as study.sqlite.old1" in done.stderr
    assert rows_without_times(damaged) == rows_without_times(finished)
    assert {row.attempts for row in read_study(damaged).trials} == {0}, "a trial was run again"
    assert (damaged / "study.sqlite.old1").exists()


def test_the_refusal_names_the_way_out(tmp_path):
    assert "--rebuild-store" in str(DamagedStoreError(tmp_path, "it was cut"))


def test_a_result_that_is_damaged_is_run_again_and_conditions_are_kept(finished, tmp_path):
    out = shutil.copytree(finished, tmp_path / "out")
    result = next(out.glob("trials/*/result.json"))
    result.write_bytes(result.read_bytes()[:100])
    study = read_study(out).study
    run_study(study, out, Options(rebuild_store=True))
    assert rows_without_times(out) == rows_without_times(finished)
    assert sorted(row.attempts for row in read_study(out).trials)[-2:] == [0, 1]
    assert len(sessions(out)) == len(sessions(finished)) + 1
    with Store(out) as store, store.transaction():
        store.put([replace(store.rows(SessionRow)[-1], data_digest="other")])
    with pytest.raises(StoreError, match="other conditions"):
        run_study(study, out, Options(rebuild_store=True))
    assert (out / "study.sqlite.old2").exists()


def test_where_there_is_no_store_there_is_nothing_to_rebuild(finished, tmp_path):
    with pytest.raises(StoreError, match="There is no store"):
        run_study(read_study(finished).study, tmp_path / "out", Options(rebuild_store=True))


def test_leftovers_are_swept_and_nothing_else(tmp_path):
    trial = tmp_path / "trials" / "a"
    trial.mkdir(parents=True)
    left = [trial / ".result.json.77.tmp", trial / ".lease.tmp", tmp_path / ".study.sqlite.8.tmp"]
    kept = [trial / "result.json", trial / ".checkpoint.safetensors.7.tmp", trial / ".mine.tmp", trial / "x.7.tmp"]
    for path in (*left, *kept):
        path.write_text("")
    sweep_leftovers(tmp_path)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)
