"""Nothing of the working folder is imported, wherever a process is started; a file that the user names still is."""

import os
import subprocess
import sys

import pytest

from small_study import ONE_RECIPE, ONE_SEED, changed
from working_folder import set_traps

MEASURED = ('select = "none"', 'select = "first"\nruntimes = ["torch"]\nbatch_sizes = [1]\nrounds = 30')
OWN_FILES = {
    "mine.py": "from beside_mine import width\nfrom torch import nn\n\n"
    "def build():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))\n",
    "beside_mine.py": "width = 8\n",
    "random.py": "raise ImportError('a file of the user, not the library')\n",
}
MODULE = [sys.executable, "-m", "prunus"]


def run(command, folder, *options, more_paths=()):
    paths = [*(path for path in sys.path if path), *more_paths]
    return subprocess.run(
        [*command, "run", "small.toml", "--out", "out", *options],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )  # fmt: skip


@pytest.fixture
def console_script(tmp_path_factory):
    """As pip writes it; Python puts the folder of a script on its path, and not the working folder."""
    path = tmp_path_factory.mktemp("bin") / "prunus"
    path.write_text("from prunus.cli.main import main\nmain()\n")
    return [sys.executable, path]


@pytest.mark.parametrize("name", ["prunus", "python -m prunus"])
@pytest.mark.parametrize("empty_entry", [False, True], ids=["", "an empty entry in PYTHONPATH"])
def test_a_study_imports_nothing_from_the_working_folder(name, empty_entry, console_script, tmp_path):
    mark = set_traps(tmp_path)
    (tmp_path / "small.toml").write_text(changed(ONE_SEED, ONE_RECIPE, MEASURED, ("epochs = 5", "epochs = 1")))
    command = console_script if name == "prunus" else MODULE
    done = run(command, tmp_path, more_paths=[""] * empty_entry)
    assert not mark.exists(), mark.read_text()
    assert done.returncode == 0, done.stderr
    assert "measured memory" in done.stderr


def test_a_file_that_the_user_names_imports_what_lies_beside_it_and_the_library_stays(console_script, tmp_path):
    for name, content in OWN_FILES.items():
        (tmp_path / name).write_text(content)
    own = ('{ name = "mlp", hidden = [12] }', '"mine.py:build"')
    (tmp_path / "small.toml").write_text(changed(ONE_SEED, ONE_RECIPE, MEASURED, own, ("epochs = 5", "epochs = 1")))
    done = run(console_script, tmp_path)
    assert done.returncode == 2
    assert "--run-code" in done.stderr
    done = run(console_script, tmp_path, "--run-code")
    assert done.returncode == 0, done.stderr
    assert "measured memory" in done.stderr
