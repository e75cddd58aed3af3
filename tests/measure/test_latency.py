import gc
from collections import Counter
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest
import torch

from prunus.channels.by_name import prune_channels
from prunus.errors import InputError, MissingError
from prunus.export import write_onnx, write_safetensors
from prunus.measure import RUNTIMES, Runtime, Sample, Variant, measure_latency, named_model, random_inputs, runtime_of
from prunus.models import build_model
from prunus.spec import Part


class Clockwork(Runtime):
    """A runtime that notes who runs, and whether garbage is collected meanwhile."""

    file_format = "none"
    log: ClassVar[list[tuple[object, ...]]] = []

    def available(self):
        return None

    def write(self, network):
        raise NotImplementedError

    def prepare(self, variant):
        pass

    def load(self, variant, inputs, threads):
        return lambda: self.log.append((variant.file("none").name, gc.isenabled(), inputs.shape, threads))


class Absent(Clockwork):
    def available(self):
        return "its library is not installed; run: pip install it"


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setattr(RUNTIMES, "_parts", {**RUNTIMES._parts, "clockwork": Clockwork, "absent": Absent})
    Clockwork.log.clear()


def named(*names):
    return {name: Variant(input_shape=(2, 3), files={"none": name}) for name in names}


def test_every_variant_is_timed_once_in_every_round():
    samples = measure_latency(named("a", "b", "c"), runtime="clockwork", batch_size=4, rounds=31, warmup=2)
    assert Counter((s.variant, s.round) for s in samples) == Counter((v, r) for v in "abc" for r in range(31))
    assert all(isinstance(s, Sample) and s.latency_ms > 0 for s in samples)
    assert len(Clockwork.log) == 3 * (31 + 2) * 2, "each timed run follows an untimed one"
    assert {entry[2:] for entry in Clockwork.log} == {((4, 2, 3), 1)}


def test_no_variant_always_follows_the_same_other():
    measure_latency(named("a", "b", "c"), runtime="clockwork", batch_size=1, rounds=60)
    order = [entry[0] for entry in Clockwork.log[::2]]
    followed = Counter(pairwise(order))
    for one in "abc":
        for other in "abc".replace(one, ""):
            assert followed[one, other] > 15
    first = list(order)
    Clockwork.log.clear()
    measure_latency(named("a", "b", "c"), runtime="clockwork", batch_size=1, rounds=60)
    assert [entry[0] for entry in Clockwork.log[::2]] == first, "the same order in every session"


def test_garbage_is_not_collected_meanwhile_and_again_after():
    assert gc.isenabled()
    measure_latency(named("a"), runtime="clockwork", batch_size=1, rounds=30)
    assert not any(entry[1] for entry in Clockwork.log)
    assert gc.isenabled()


def test_progress_is_told():
    told = []
    measure_latency(
        named("a"), runtime="clockwork", batch_size=1, rounds=30, warmup=2, progress=lambda *done: told.append(done)
    )
    assert told == [(n, 32) for n in range(33)]


@pytest.mark.parametrize("settings", [{"rounds": 29}, {"warmup": 0}, {"batch_size": 0}, {"threads": 0}])
def test_too_little_is_refused(settings):
    with pytest.raises(InputError):
        measure_latency(named("a"), **{"runtime": "clockwork", "batch_size": 1, **settings})


def test_a_runtime_that_is_not_there_says_what_to_do():
    with pytest.raises(MissingError, match="pip install it"):
        measure_latency(named("a"), runtime="absent", batch_size=1)


@pytest.mark.parametrize("runtime", ["torch", "onnxruntime"])
def test_a_much_larger_network_takes_longer(write_variant, small, runtime):
    large, _ = write_variant({"name": "vgg-digits", "width": 256})
    samples = measure_latency({"small": small[0], "large": large}, runtime=runtime, batch_size=8, rounds=30)
    times = {name: sorted(s.latency_ms for s in samples if s.variant == name)[15] for name in ("small", "large")}
    assert times["large"] > 3 * times["small"], "it computes about 60 times as much"


def test_a_shrunk_network_runs_from_its_files(tmp_path):
    """Torch builds the unpruned network and cuts it as the file says."""
    part, image = Part(name="vgg-digits"), torch.zeros(1, 1, 8, 8)
    model = build_model(part, (1, 8, 8), 10).eval()
    small = prune_channels(model, image, 0.5).model.eval()
    variant = Variant(
        input_shape=(1, 8, 8),
        files={
            "safetensors": write_safetensors(small, tmp_path / "small.safetensors").path,
            "onnx": write_onnx(small, image, tmp_path / "small.onnx").path,
        },
        builder=named_model(part, (1, 8, 8), 10),
    )
    inputs = random_inputs((1, 8, 8), 3)
    with torch.no_grad():
        expected = small(torch.from_numpy(inputs)).numpy()
    for runtime in ("torch", "onnxruntime"):
        found = np.asarray(runtime_of(runtime).load(variant, inputs, 1)())
        assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
        assert len(measure_latency({"small": variant}, runtime=runtime, batch_size=1, rounds=30)) == 30
