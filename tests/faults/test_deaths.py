"""Every death of a trial's process is told as what it was; what died half written is swept."""

import pytest

from prunus.store import read_study
from prunus.system.memory import oom_kills
from small_study import ONE_RECIPE, ONE_SEED

NET = """
import os, signal, sys
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(64, 16), nn.Linear(16, 10)
    def forward(self, x):
        if self.training:
            {death}
        return self.b(self.a(x.flatten(1)))
def build():
    return Net()
"""


@pytest.mark.parametrize(
    ("death", "kind", "words"),
    [
        ("os._exit(7)", "exit code 7", "its program ended itself with exit code 7"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV", "not a lack of memory"),
        ("os.abort()", "SIGABRT", "native code ended it"),
        ("os.kill(os.getpid(), signal.SIGBUS)", "SIGBUS", "/dev/shm"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL", "where memory runs out"),
    ],
)
def test_a_death_is_told_as_what_it_was(run, tmp_path, death, kind, words):
    (tmp_path / "net.py").write_text(NET.format(death=death))
    model = ('model = { name = "mlp", hidden = [12] }', f'model = "{tmp_path}/net.py:build"')
    run(model, ONE_RECIPE, ONE_SEED, ("checkpoint_seconds = 0", "attempts = 1"))
    for row in read_study(tmp_path / "out").trials:
        assert row.error_kind == kind
        assert words in row.error
        assert "most frequent" not in row.error


def test_kills_for_lack_of_memory_are_counted_where_the_kernel_tells():
    assert oom_kills() >= 0
