"""A process that a user's network starts may live on: it holds neither the folder's lock nor its trial."""

import pytest

from prunus.store import read_study
from small_study import ONE_RECIPE, ONE_SEED

STARTS = """
import multiprocessing, os, subprocess, time
from torch import nn
{when_imported}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.n = nn.Linear(64, 16), nn.Linear(16, 10), 0
    def forward(self, x):
        self.n += self.training
        if self.training and self.n == 5:
            {start}
        return self.b(self.a(x.flatten(1)))
def build():
    {when_built}
    return Net()
"""
WAYS = (
    "os.fork() or (time.sleep(40), os._exit(0))",
    "os.fork() or (os.setsid(), os.fork() and os._exit(0), time.sleep(40), os._exit(0))",
    "subprocess.Popen(['sleep', '40'], close_fds=False)",
    "multiprocessing.get_context('fork').Process(target=time.sleep, args=(40,)).start()",
)
MOMENTS = {
    "when the file is imported": {"when_imported": "; ".join(WAYS)},
    "when the network is built": {"when_built": "; ".join(WAYS)},
    "in training": {"start": "; ".join(WAYS)},
    "in training, and the worker dies": {"start": "; ".join((*WAYS, "os.kill(os.getpid(), 9)"))},
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_it_holds_neither_the_lock_nor_the_trial(run, tmp_path, moment):
    nothing = dict.fromkeys(("when_imported", "when_built", "start"), "pass")
    (tmp_path / "net.py").write_text(STARTS.format(**nothing | MOMENTS[moment]))
    model = ('model = { name = "mlp", hidden = [12] }', f'model = "{tmp_path}/net.py:build"')
    for _ in range(2):
        outcome = run(model, ONE_RECIPE, ONE_SEED)
        assert outcome.finished + outcome.failed == outcome.trials
    assert {row.error_kind for row in read_study(tmp_path / "out").trials} <= {None, "SIGKILL"}
