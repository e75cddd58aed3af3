"""Trials that ask for too much memory or never end: typed, bounded, and the rest goes on."""

import pytest

from prunus.store import read_study
from prunus.sweep.worker import is_out_of_memory
from prunus.system.memory import memory_limit

GREEDY = """
import time, torch
from torch import nn

class Net(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.first, self.last = nn.Linear(64, 8), nn.Linear(8, 10)
    def forward(self, x):
        if self.training and (self.first.weight == 0).any():  # once something was pruned
            if self.kind == "greedy":
                torch.zeros(4 * 2**30, dtype=torch.uint8)
            while self.kind == "hangs":
                time.sleep(0.01)
        return self.last(torch.relu(self.first(x.flatten(1))))

def build(kind):
    return Net(kind)
"""


@pytest.mark.parametrize(
    ("kind", "setting", "error", "attempts"),
    [
        ("greedy", "memory_gib = 1.0", "OutOfMemory", 1),
        ("hangs", "time_limit_seconds = 3\nattempts = 2", "TimeLimit", 2),
    ],
)
def test_a_trial_over_its_limit_is_a_typed_failure(run, tmp_path, kind, setting, error, attempts):
    (tmp_path / "net.py").write_text(GREEDY)
    outcome = run(
        ('{ name = "mlp", hidden = [12] }', f'{{ name = "net.py:build", kind = "{kind}" }}'),
        ('["reference-unstructured", "unstructured", "structured"]', '["reference-unstructured"]'),
        ("checkpoint_seconds = 0", f"checkpoint_seconds = 0\n{setting}"),
    )
    rows = read_study(tmp_path / "out").trials
    assert (outcome.finished, outcome.failed) == (2, 2)
    failed = [row for row in rows if row.status == "failed"]
    assert {(row.recipe, row.error_kind, row.attempts) for row in failed} == {
        ("reference-unstructured", error, attempts)
    }


def test_memory_beyond_the_limit_is_refused_and_the_limit_is_lifted_after():
    import torch

    with memory_limit(200 * 2**20):
        small = torch.zeros(50 * 2**20, dtype=torch.uint8)
        with pytest.raises(RuntimeError) as error:
            torch.zeros(400 * 2**20, dtype=torch.uint8)
    assert is_out_of_memory(error.value)
    assert len(torch.zeros(400 * 2**20, dtype=torch.uint8)) > len(small)
