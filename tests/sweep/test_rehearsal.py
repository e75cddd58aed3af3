"""What a user's network keeps beside its weights is in a checkpoint; what cannot be is found by a rehearsal."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

from rehearsing import variables_of_the_file, why_not_of

NET = """
import copy, collections, functools, itertools, random
import numpy as np
import torch
from torch import nn
{top}
class Net(nn.Module):
    shared = 0
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(64, 12), nn.Linear(12, 10)
        {init}
    def forward(self, x):
        x = x.flatten(1)
        {forward}
        return self.b(torch.relu(self.a(x)))
def build():
    return Net()
"""
COUNT = "x = x * (1 + 0.01 * {})"

RESTORED = {
    "a counter": ("", "self.k = 0", "self.k += self.training; " + COUNT.format("self.k")),
    "a buffer that is not persistent": (
        "",
        "self.register_buffer('k', torch.zeros(()), persistent=False)",
        "self.k += self.training; " + COUNT.format("self.k"),
    ),
    "a hook, whose key is another one in every process": (
        "import os\ndef note(layer, given):\n    layer.k = getattr(layer, 'k', 0) + layer.training",
        "[self.b.register_forward_pre_hook(note).remove() for _ in range(os.getpid() % 97)]; "
        "self.a.register_forward_pre_hook(note)",
        COUNT.format("getattr(self.a, 'k', 0)"),
    ),
    "a tensor": ("", "self.k = torch.zeros(3)", "self.k += self.training; " + COUNT.format("self.k.sum()")),
    "a tensor that comes later": (
        "",
        "self.k = None",
        "m = x.detach().mean() if self.training else 0; self.k = m + (0 if self.k is None else self.k); x = x + self.k",
    ),
    "an attribute that comes later": (
        "",
        "",
        "self.k = getattr(self, 'k', 0) + self.training; " + COUNT.format("self.k"),
    ),
    "a generator of torch's": (
        "",
        "self.g = torch.Generator().manual_seed(5)",
        "x = x + 0.1 * torch.randn(x.shape, generator=self.g) if self.training else x",
    ),
    "a generator of NumPy's": (
        "",
        "self.g = np.random.default_rng(5)",
        "x = x + 0.1 * self.g.random() if self.training else x",
    ),
    "an older one": ("", "self.g = np.random.RandomState(5)", "x = x + 0.1 * self.g.rand() if self.training else x"),
    "a generator of Python's": (
        "",
        "self.g = random.Random(5)",
        "x = x + 0.1 * self.g.random() if self.training else x",
    ),
    "a generator of the file's": (
        "RNG = np.random.default_rng(7)",
        "",
        "x = x + 0.1 * RNG.random() if self.training else x",
    ),
    "an array": ("", "self.k = np.zeros(2)", "self.k += self.training; " + COUNT.format("float(self.k.sum())")),
    "a list of a queue": (
        "",
        "self.k = [collections.deque([0.0], maxlen=3)]",
        "self.k[0].append(self.k[0][-1] + 1); " + COUNT.format("sum(self.k[0])"),
    ),
    "a dictionary": (
        "",
        "self.k = collections.defaultdict(int)",
        "self.k['n', 1] += self.training; " + COUNT.format("self.k['n', 1]"),
    ),
    "a set": ("", "self.k = set()", "self.k.add(len(self.k)); " + COUNT.format("len(self.k)")),
    "an average beside the network": (
        "",
        "self.mean = [copy.deepcopy(self.a)]",
        "[p.data.lerp_(q.data, 0.1) for p, q in zip(self.mean[0].parameters(), self.a.parameters())] "
        "if self.training else 0; x = x + 0.1 * self.mean[0](x).sum(1, keepdim=True).detach()",
    ),
    "an object of its own": (
        "class Temperature:\n    def __init__(self): self.k = 0",
        "self.t = Temperature()",
        "self.t.k += self.training; " + COUNT.format("self.t.k"),
    ),
    "a variable of the file": (
        "K = [0]\nN = 0",
        "",
        "global N; N += self.training; K[0] += N; " + COUNT.format("K[0]"),
    ),
    "a variable of the class": ("", "", "Net.shared += self.training; " + COUNT.format("Net.shared")),
    "a default value": (
        "def count(k=[0]):\n    k[0] += 1\n    return k[0]",
        "",
        COUNT.format("count()"),
    ),
    "a variable of a closure": (
        "def counter():\n    k = 0\n    def count():\n        nonlocal k; k += 1; return k\n    return count",
        "self.count = counter()",
        COUNT.format("self.count()"),
    ),
    "a hook": (
        "class Hook:\n    k = 0\n    def __call__(self, module, inputs):\n        self.k += 1\n"
        "        return (inputs[0] * (1 + 0.01 * self.k),)",
        "self.a.register_forward_pre_hook(Hook())",
        "",
    ),
    "a partial function": (
        "def count(k):\n    k[0] += 1\n    return k[0]",
        "self.count = functools.partial(count, [0])",
        COUNT.format("self.count()"),
    ),
    "two names of one list": (
        "",
        "self.k = [0]; self.same = self.k",
        "self.same[0] += self.training; " + COUNT.format("self.k[0]"),
    ),
}
LOST = {
    "a generator function": ("", "self.g = iter(i * 0.01 for i in range(10**6))", "x = x + next(self.g)"),
    "an iterator": ("", "self.g = itertools.count()", COUNT.format("next(self.g)")),
    "an object that comes later": (
        "class Temperature:\n    k = 0",
        "",
        "self.t = getattr(self, 't', None) or Temperature(); self.t.k += self.training; " + COUNT.format("self.t.k"),
    ),
}


@pytest.fixture(scope="module")
def rehearsing():
    """A process that has computed nothing: with some backends, gradients start threads, which survive no fork."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture
def why_not(tmp_path, rehearsing):
    """Rehearses a trial on a network with these lines; restores: whether what it keeps is restored."""

    def ask(lines, recipe=None, restores=True, **training):
        top, init, forward = lines
        (tmp_path / "net.py").write_text(NET.format(top=top, init=init, forward=forward))
        return rehearsing.submit(why_not_of, tmp_path / "net.py", recipe is not None, restores, training).result()

    return ask


@pytest.mark.parametrize("name", RESTORED)
def test_what_is_kept_beside_the_weights_is_restored(why_not, name):
    assert why_not(RESTORED[name]) == ""
    assert "does not end with the same bits" in why_not(RESTORED[name], restores=False), "the network keeps nothing"


@pytest.mark.parametrize("name", LOST)
def test_what_cannot_be_restored_is_found_out(why_not, name):
    assert why_not(LOST[name])


def test_the_suspect_is_named(why_not):
    assert "model.g (builtins.generator)" in why_not(LOST["a generator function"])
    assert "itertools" in why_not(LOST["an iterator"])


def test_a_network_that_is_random_even_undisturbed_goes_on(why_not):
    assert why_not(("import os", "", "x = x + os.urandom(1)[0] / 255")) == ""


def test_the_time_of_day_in_an_attribute_is_no_reason_to_start_anew(why_not):
    assert why_not(("import time", "self.t = 0", "self.t = time.time_ns()")) == ""


def test_this_process_is_as_it_was(why_not, rehearsing):
    why_not(RESTORED["a variable of the file"])
    assert rehearsing.submit(variables_of_the_file).result() == ([0], 0)
