"""What forks a process that has computed on threads: a child that computes on threads as well."""

import os
import subprocess
import sys

COMPUTING_CHILD = """
import os, sys, torch
from prunus.forking import fork
torch.set_num_threads(2)
whole = torch.rand(256, 256, dtype=torch.float64)
before = (whole @ whole).exp().sum()
child = fork()
same = torch.equal((whole @ whole).exp().sum(), before)
if child == 0:
    os._exit(0 if same and torch.get_num_threads() == 2 else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or not same)
"""
SECONDS = 60


def test_parent_and_child_compute_on_threads_after_a_fork():
    command = [sys.executable, "-c", COMPUTING_CHILD]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    assert subprocess.run(command, env=environment, timeout=SECONDS, check=False).returncode == 0


def test_without_an_openmp_it_is_a_plain_fork():
    code = "import os; from prunus.forking import fork; c = fork(); os._exit(3) if c == 0 else None; print(os.waitpid(c, 0)[1] >> 8)"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert done.stdout == "3\n"
