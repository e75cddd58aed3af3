"""What forks a process that has computed on threads: a child that computes on threads as well."""

import os
import subprocess
import sys

COMPUTING_CHILD = """
import os, sys, torch
from prunus.system.forking import fork
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
    code = "import os; from prunus.system.forking import fork; c = fork(); os._exit(3) if c == 0 else None; print(os.waitpid(c, 0)[1] >> 8)"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert done.stdout == "3\n"


KEPT = """
import os
from prunus.system.forking import fork, keep_from_forks
reading, writing = os.pipe()
keep_from_forks([writing])
for start in (os.fork, fork, lambda: fork(shares=True)):
    child = start()
    if child == 0:
        os.write(writing, b"x")
        os._exit(0)
    os.waitpid(child, 0)
os.close(writing)
print(os.read(reading, 9).decode())
"""


def test_descriptors_are_kept_from_every_fork_but_those_that_share_them():
    done = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert done.stdout == "x\n"
