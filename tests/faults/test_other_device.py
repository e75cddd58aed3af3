"""A whole study, traced: nothing is renamed from one device to another, and nobody is listened to."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from prunus.store import read_study

SHM = Path("/dev/shm")
CALLS = "trace=rename,renameat,renameat2,link,linkat,listen"


def test_a_whole_study_with_temporary_files_on_another_device(study_file, tmp_path):
    if not SHM.is_dir() or SHM.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other device here")
    if shutil.which("strace") is None:
        if os.environ.get("PRUNUS_REQUIRE_CLUSTERS"):
            pytest.fail("strace is not installed")
        pytest.skip("strace is not installed: apt-get install strace")
    file = study_file(
        ('select = "none"', 'select = "first"\nbatch_sizes = [2]\nrounds = 30'),
        ("epochs = 5", "epochs = 2"),
        ("seeds = [0, 1]", "seeds = [0]"),
        ('["reference-unstructured", "unstructured", "structured"]', '["structured"]'),
    )
    with TemporaryDirectory(dir=SHM) as temporary:
        command = ["strace", "-f", "--seccomp-bpf", "-o", tmp_path / "trace", "-e", CALLS]
        command += [sys.executable, "-m", "prunus", "run", file, "--out", tmp_path / "out"]
        environment = {**os.environ, "TMPDIR": temporary, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=environment)
        if "Operation not permitted" in done.stderr and "ptrace" in done.stderr:
            pytest.skip("no process may be traced here")
        assert done.returncode == 0, done.stderr
        assert [name for name in os.listdir(temporary) if "prunus" in name] == []
    trace = (tmp_path / "trace").read_text()
    assert "listen(" not in trace
    renamed = [re.findall(r'"([^"]*)"', line) for line in trace.splitlines() if "(" in line]
    pairs = [paths for paths in renamed if len(paths) == 2]
    assert any(paths[1].endswith("checkpoint.safetensors") for paths in pairs)
    assert any(paths[1].endswith("model.onnx") for paths in pairs)
    assert [paths for paths in pairs if os.path.dirname(paths[0]) != os.path.dirname(paths[1])] == []
    assert {row.status for row in read_study(tmp_path / "out").trials} == {"finished"}
