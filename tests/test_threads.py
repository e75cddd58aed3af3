"""Calls in parallel give what they give alone, and the process is as before."""

import gc
import io
import logging
import os
import random
import resource
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

import prunus
from prunus.errors import InputError
from prunus.system.memory import loading
from prunus.system.process_wide import in_turn, without_garbage_collection
from prunus.system.quiet import quiet


def network(seed, width=8):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 4),
    )  # fmt: skip


class Noisy(nn.Module):
    """Draws from all generators in its forward, and its result depends on it."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 4)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)) * (1 + torch.rand(1, device=x.device)) + random.random() * 0)


class ByValue(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(x) if x.sum() > 0 else -self.layer(x)


X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def process():
    """What of the process a library could have changed."""
    return {
        "streams": (sys.stdout, sys.stderr),
        "logging": (logging.Logger.handle, logging.root.manager.disable, logging.root.level),
        "warnings": (list(warnings.filters), warnings.showwarning),
        "gc": gc.isenabled(),
        "random": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),
        "torch": torch.get_rng_state().tolist(),
        "flags": (
            torch.backends.mha.get_fastpath_enabled(), torch.is_grad_enabled(), torch.get_default_dtype(),
            torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(),
        ),
        "module": (nn.Module.__call__, nn.Module.__getattr__),
        "environment": (dict(os.environ), os.getcwd(), list(sys.path)),
        "memory": resource.getrlimit(resource.RLIMIT_DATA),
    }  # fmt: skip


def work(number, folder):
    """One of several calls, and what came of it."""
    if number % 4 == 3:
        with pytest.raises(InputError, match="can't be traced"):
            prunus.prune_channels(ByValue(), torch.randn(2, 4, generator=torch.Generator().manual_seed(1)), 0.5)
        return None
    if number % 4 == 2:
        with in_turn():  # so that no other thread draws its weights, which is the test's own affair
            model = Noisy(number)
        return prunus.prune_channels(model, X[:, 0, 0, :4], 0.5).plan
    with in_turn():
        model = network(number)
    pruned = prunus.prune_channels(model, X, 0.5)
    file = folder / f"{number}.onnx"
    prunus.write_onnx(pruned.model, X, file)
    return pruned.plan, pruned.report.deviation, file.read_bytes()


def test_parallel_calls_give_what_they_give_alone_and_leave_the_process_as_it_was(tmp_path):
    for name in ("alone", "warm", "parallel"):
        (tmp_path / name).mkdir()
    work(0, tmp_path / "warm")
    work(3, tmp_path / "warm")  # brings in what is imported late
    alone = [work(number, tmp_path / "alone") for number in range(8)]
    before = process()
    with ThreadPoolExecutor(4) as pool:
        parallel = list(pool.map(lambda number: work(number, tmp_path / "parallel"), range(8)))
    after = process()
    seeded = {"torch"}  # by the weights that the test draws
    assert {key: value for key, value in after.items() if key not in seeded} == {
        key: value for key, value in before.items() if key not in seeded
    }
    assert parallel == alone


def test_one_network_can_be_pruned_by_several_threads():
    model = network(0)
    expected = prunus.prune_channels(model, X, 0.5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: prunus.prune_channels(model, X, 0.5), range(8)))
    assert all(each.plan == expected.plan for each in found)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def overlapped(context):
    """Two threads enter, and the one that entered first leaves first."""
    first_in, second_in, first_out = threading.Event(), threading.Event(), threading.Event()

    def first():
        with context():
            first_in.set()
            second_in.wait(10)
        first_out.set()

    def second():
        first_in.wait(10)
        with context():
            second_in.set()
            first_out.wait(10)

    threads = [threading.Thread(target=each) for each in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("context", [quiet, without_garbage_collection])
def test_threads_that_leave_in_the_order_in_which_they_came_leave_nothing_behind(context):
    before = process()
    overlapped(context)
    assert process() == before


def test_what_a_process_has_once_is_taken_in_turn():
    before = process()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: _load(), range(20)))
    assert process() == before


def _load():
    with loading():
        return resource.getrlimit(resource.RLIMIT_DATA)


def test_only_the_thread_that_is_quiet_is():
    records, inside, done = [], threading.Event(), threading.Event()
    handler = logging.Handler()
    handler.emit = records.append
    loggers = [logging.getLogger("torch.export.something"), logging.getLogger("mine")]
    for logger in loggers:
        logger.addHandler(handler)

    def silent():
        with quiet():
            warnings.warn("unheard", stacklevel=1)
            loggers[0].warning("unheard")
            inside.set()
            done.wait(10)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        thread = threading.Thread(target=silent)
        thread.start()
        inside.wait(10)
        stream = io.StringIO()
        print("heard", file=stream)
        warnings.warn("heard", stacklevel=1)
        for logger in loggers:
            logger.warning("heard")
        done.set()
        thread.join()
    assert [str(one.message) for one in caught] == ["heard"]
    assert [record.getMessage() for record in records] == ["heard", "heard"]
    for logger in loggers:
        logger.removeHandler(handler)


def test_a_forked_process_finds_no_lock_held():
    entered, over = threading.Event(), threading.Event()

    def hold():
        with in_turn():
            entered.set()
            over.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(10)
    child = os.fork()
    if not child:
        got = []
        one = threading.Thread(target=lambda: got.append(_entered()), daemon=True)
        one.start()
        one.join(5)
        os._exit(0 if got else 1)
    over.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _entered():
    with in_turn():
        return True
