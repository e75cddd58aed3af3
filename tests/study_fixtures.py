"""Fixtures that run studies, in this process or as the command line does."""

import os
import signal
import subprocess
import sys

import pytest

from prunus.spec import load_study
from prunus.sweep.run import Options, run_study
from small_study import changed


@pytest.fixture
def study_file(tmp_path):
    """Writes the small study, with texts replaced."""

    def write(*changes, name="small.toml"):
        path = tmp_path / name
        path.write_text(changed(*changes))
        return path

    return write


@pytest.fixture
def run(study_file, tmp_path):
    """Runs a study in this process and gives its outcome."""

    def run(*changes, folder=None, observe=lambda _: None, **options):
        study = load_study(study_file(*changes))
        return run_study(study, folder or tmp_path / "out", Options(**options), observe)

    return run


@pytest.fixture
def start(tmp_path):
    """Starts the command line as a process of its own, in a session of its own."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "prunus", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
