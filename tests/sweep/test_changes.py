"""What a study was begun with has changed: the difference is shown, and refused without a flag."""

import json
import sqlite3

import numpy
import pytest

from prunus.errors import StoreError
from prunus.store import read_study
from prunus.sweep.events import EpochDone
from small_study import ONE_RECIPE, ONE_SEED, rows_without_times

SHORT = (
    ("epochs = 5", "epochs = 1"),
    ONE_SEED,
    ONE_RECIPE,
    ('data = "digits"', 'data = { name = "npz", file = "mine.npz" }'),
)


def write_data(folder, first_pixel):
    draw = numpy.random.default_rng(0)
    inputs, targets = draw.random((32, 8), dtype="float32"), numpy.arange(32) % 4
    inputs[0, 0] = first_pixel
    numpy.savez(folder / "mine.npz", x_train=inputs, y_train=targets, x_test=inputs, y_test=targets)


def other_versions(folder):
    """As if the study had been begun with another torch, and a package that is no longer there."""
    with sqlite3.connect(folder / "study.sqlite") as connection:
        versions = json.loads(connection.execute("SELECT versions FROM sessions").fetchone()[0])
        now = versions["torch"]
        changed = json.dumps({**versions, "torch": "0.4.1", "gone": "1.0"})
        connection.execute("UPDATE sessions SET versions = ?", (changed,))
    connection.close()
    return now


def test_other_data_and_other_versions(run, tmp_path):
    write_data(tmp_path, 0.25)
    run(*SHORT)
    before = rows_without_times(tmp_path / "out")
    torch_now = other_versions(tmp_path / "out")
    write_data(tmp_path, 0.5)
    with pytest.raises(StoreError) as error:
        run(*SHORT)
    said = str(error.value)
    assert f'version of torch "0.4.1" -> "{torch_now}"' in said
    assert 'version of gone "1.0" -> null' in said
    assert "data (" in said
    assert "code of prunus" not in said
    assert "training" not in said
    assert "--allow-changes" in said
    assert rows_without_times(tmp_path / "out") == before
    assert len(read_study(tmp_path / "out").sessions) == 1

    events = []
    assert run(*SHORT, allow_changes=True, observe=events.append).finished == 2
    assert not [event for event in events if isinstance(event, EpochDone)]
    assert len(read_study(tmp_path / "out").sessions) == 2
