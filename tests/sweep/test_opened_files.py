"""Files that a study's own code opens belong to its conditions, also those that change while it runs."""

import mmap

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from prunus.errors import StoreError
from prunus.spec import Part, Study, load_study
from prunus.store import SessionRow, Store, read_study
from prunus.sweep.events import TrialStarted
from prunus.sweep.folder import StudyFolder
from prunus.sweep.loaded import load
from prunus.sweep.opened_files import _mapped, refuse_changed_files
from prunus.sweep.run import Options, run_study
from small_study import ONE_SEED, TWO_RECIPES, changed

NET = """
import pathlib, torch, numpy as np
from torch import nn
import safetensors, safetensors.torch
HERE = pathlib.Path(__file__).parent
{top}
def build():
    {read}
    (HERE / "written.txt").write_text("by the study itself")
    (HERE / "written.txt").read_text()
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
    return net
"""
WAYS = {
    "open": ("w.bin", "(HERE / 'w.bin').read_bytes()"),
    "at import": ("w.bin", ""),
    "torch.load": ("w.pt", "torch.load(HERE / 'w.pt', weights_only=True)"),
    "torch.load, mapped": ("w.pt", "torch.load(HERE / 'w.pt', weights_only=True, mmap=True)"),
    "numpy.load": ("w.npy", "np.load(HERE / 'w.npy')"),
    "numpy.load, mapped": ("w.npy", "np.load(HERE / 'w.npy', mmap_mode='r')"),
    "numpy.memmap": ("w.npy", "np.memmap(HERE / 'w.npy')"),
    "safetensors, whose C code opens it": ("w.safetensors", "safetensors.torch.load_file(HERE / 'w.safetensors')"),
    "safetensors, opened": ("w.safetensors", "safetensors.safe_open(HERE / 'w.safetensors', framework='pt')"),
}


def write(folder, value):
    (folder / "w.bin").write_bytes(bytes([value]))
    torch.save({"w": torch.tensor(value)}, folder / "w.pt")
    np.save(folder / "w.npy", np.array([value]))
    save_file({"w": torch.tensor([value])}, folder / "w.safetensors")


def study_of(folder, read="", top="", **settings):
    (folder / "net.py").write_text(NET.format(read=read or "pass", top=top))
    study = Study(
        name="own", model=Part(name=f"{folder}/net.py:build", settings=settings), data=Part(name="digits"),
        rates=(0.0,), recipes=load_study("digits").recipes[:1], training={"epochs": 1},
    )  # fmt: skip
    out = StudyFolder(folder / "out")
    out.path.mkdir(exist_ok=True)
    out.study.write_text(study.model_dump_json())
    return out


@pytest.mark.parametrize("way", WAYS)
def test_whichever_way_it_is_opened(tmp_path, way):
    name, read = WAYS[way]
    write(tmp_path, 1)
    top = "(HERE / 'w.bin').read_bytes()" if way == "at import" else ""
    loaded, ready = load(study_of(tmp_path, read, top))
    ours = {path for path in ready.files if path.startswith(str(tmp_path))}  # others are mapped here by other tests
    assert ours == {str(tmp_path / name), str(tmp_path / "net.py")}
    refuse_changed_files(loaded.files)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes())  # the same content at another time
    refuse_changed_files(loaded.files)
    write(tmp_path, 2)
    with pytest.raises(StoreError, match=name):
        refuse_changed_files(loaded.files)


def test_a_digest_is_taken_from_an_earlier_run_where_the_file_was_not_touched(tmp_path, monkeypatch):
    write(tmp_path, 1)
    out = study_of(tmp_path, "(HERE / 'w.bin').read_bytes()")
    _, first = load(out)
    monkeypatch.setattr("prunus.sweep.opened_files._digest", lambda path: f"read again: {path}")
    assert load(out)[1].files == first.files
    write(tmp_path, 2)
    assert load(out)[1].files[str(tmp_path / "w.bin")].startswith("read again")
    out.file_digests.write_text('["damaged"]')
    assert load(out)[1].files[str(tmp_path / "w.bin")].startswith("read again")


def test_a_study_without_code_of_its_own_depends_on_no_files(run, tmp_path):
    run(ONE_SEED, TWO_RECIPES)
    with Store(tmp_path / "out") as store:
        assert [row.files for row in store.rows(SessionRow)] == ["{}"]


def test_a_file_that_changes_before_the_study_goes_on_is_refused_by_its_name(tmp_path):
    write(tmp_path, 1)
    study_of(tmp_path, "(HERE / 'w.bin').read_bytes()")
    model = ('model = { name = "mlp", hidden = [12] }', f'model = "{tmp_path}/net.py:build"')
    (tmp_path / "s.toml").write_text(changed(model, ONE_SEED, TWO_RECIPES))
    study = load_study(tmp_path / "s.toml")
    run_study(study, tmp_path / "out", Options())
    write(tmp_path, 2)
    with pytest.raises(StoreError, match=r"w\.bin"):
        run_study(study, tmp_path / "out", Options())
    write(tmp_path, 1)
    run_study(study, tmp_path / "out", Options())


def test_a_file_that_changes_while_the_study_runs_fails_the_trials_after_it(tmp_path):
    write(tmp_path, 1)
    study_of(tmp_path, "(HERE / 'w.bin').read_bytes()")
    model = ('model = { name = "mlp", hidden = [12] }', f'model = "{tmp_path}/net.py:build"')
    (tmp_path / "s.toml").write_text(changed(model, TWO_RECIPES))
    begun = []

    def observe(event):
        if isinstance(event, TrialStarted):
            begun.append(event)
            write(tmp_path, 2)

    outcome = run_study(load_study(tmp_path / "s.toml"), tmp_path / "out", Options(workers=1), observe)
    assert 0 < outcome.failed < outcome.trials
    assert all(
        "w.bin has changed" in (row.error or "")
        for row in read_study(tmp_path / "out").trials
        if row.status == "failed"
    )


def test_what_a_library_maps_to_write_into_is_no_data(tmp_path):
    """The shared memory of another library's database, say, which changes while a study runs."""
    for name in ("shared", "read"):
        (tmp_path / name).write_bytes(bytes(4096))
    with (tmp_path / "shared").open("r+b") as shared, (tmp_path / "read").open("rb") as read:
        maps = mmap.mmap(shared.fileno(), 0), mmap.mmap(read.fileno(), 0, prot=mmap.PROT_READ)
    found = set(_mapped())
    assert str(tmp_path / "read") in found
    assert str(tmp_path / "shared") not in found
    for one in maps:
        one.close()
