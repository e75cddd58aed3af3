"""A small study for tests that run studies, and what they ask of its folder and its processes."""

import time
from dataclasses import replace
from pathlib import Path

from prunus.store import SessionRow, Store, read_study

STUDY = """
name = "small"
data = "digits"
model = { name = "mlp", hidden = [12] }
rates = [0.5]
seeds = [0, 1]
recipes = ["reference-unstructured", "unstructured", "structured"]
controls = false

[training]
epochs = 5
batch_size = 256

[measurement]
select = "none"

[execution]
checkpoint_seconds = 0
"""

ONE_SEED = ("seeds = [0, 1]", "seeds = [0]")
TWO_RECIPES = ('["reference-unstructured", "unstructured", "structured"]', '["reference-unstructured", "unstructured"]')
ONE_RECIPE = ('["reference-unstructured", "unstructured", "structured"]', '["reference-unstructured"]')
"""Changes to it for tests that ask nothing of channels: where none are cut, every start of a study is two seconds
shorter, since nothing has to be traced."""


def changed(*changes: tuple[str, str]) -> str:
    """The study with texts replaced."""
    text = STUDY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def rows_without_times(folder: Path):
    """All that a study found; times differ from run to run, and so do they here."""
    rows = read_study(folder)
    return (
        [replace(row, seconds=None, attempts=0) for row in rows.trials],
        [replace(row, seconds=0.0) for row in rows.epochs],
        rows.costs,
        rows.layers,
        rows.classes,
        rows.files,
        rows.problems,
    )


def wait_for(condition, seconds=60.0):
    """Wait until a condition holds, and give its value."""
    give_up = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.02)
    return value


def sessions(folder: Path):
    with Store(folder) as store:
        return store.rows(SessionRow)


def descendants(pid: int) -> list[int]:
    """Process ids of all children of a process, and theirs (Linux)."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [one for child in map(int, children) for one in (child, *descendants(child))]
