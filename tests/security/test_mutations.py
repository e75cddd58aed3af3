"""Checkpoints and result files with anything in them changed: one clear error each, or what was written."""

import json
import random
from functools import partial

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors import safe_open
from torch import nn

from prunus.errors import StoreError
from prunus.spec import Training
from prunus.store import ClassRow, EpochRow, LayerRow, read_result, write_result
from prunus.train import Pruner, load_checkpoint, save_checkpoint, start
from prunus.train.checkpoint import HEADER, _checksum
from security.confined import confined
from sparse.test_damaged_files import mutated

MOST_BYTES = 64 << 20
MUTATIONS = 2000
WEIRD = (None, True, -1, 2**70, 1e400, float("nan"), "", "x" * 999, "\x00", [], [[]], {}, {"a": {}}, [2**62] * 9)


def begin():
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    pruner = Pruner(model, None, torch.zeros(2, 4), rate=0.0, epochs=3, steps_per_epoch=None, seed=0)
    return start(model, pruner, Training(epochs=3))


def take_step(state):
    """With gradients by hand: after a backward pass here, a fork could make none."""
    for parameter in state.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    state.optimizer.step()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The bytes of a checkpoint with an optimiser that has worked."""
    state = begin()
    take_step(state)
    path = tmp_path_factory.mktemp("whole") / "c"
    save_checkpoint(path, state, "t")
    return path.read_bytes()


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "result.json"
    rows = [EpochRow("t", epoch, 0.5, 0.25, 3, 4, 0.0, 1e-3, 0.1) for epoch in range(1, 9)]
    rows += [ClassRow("t", 0, "zero", 5, 4, 3, False)]
    rows += [LayerRow("t", 0, "conv", "conv2d", False, True, 0.5, 4, 2, 2, 1, 10, 5, 100, 50)]
    write_result(path, rows, "token")
    return path.read_bytes()


def read_checkpoint(path):
    """Restore it, and take a step with what was restored."""
    state = begin()
    load_checkpoint(path, state, "t")
    state.model(torch.ones(5, 4))
    take_step(state)


def refused(path, read, contents):
    """Read one content after the other; returns how many were refused. Whatever is no `StoreError` is raised."""
    messages = []
    for content in contents:
        path.write_bytes(content)
        try:
            read(path)
        except StoreError as error:
            messages.append(str(error))
    assert all(path.name in message and len(message) < 2000 for message in messages)
    return len(messages)


def confined_to(tmp_path, act, at_least):
    def counted():
        assert act() >= at_least

    verdict = confined(counted, tmp_path)
    assert (verdict.kind, verdict.message, verdict.forbidden) == ("", "", []), verdict
    assert verdict.peak_bytes < MOST_BYTES


def test_every_changed_byte_of_a_checkpoint_is_found_out(checkpoint, tmp_path):
    draw = np.random.default_rng(0)
    contents = [changed for _ in range(MUTATIONS) if (changed := mutated(checkpoint, draw)) != checkpoint]
    confined_to(tmp_path, partial(refused, tmp_path / "c", read_checkpoint, contents), len(contents) - 20)


def test_result_files_with_changed_bytes_are_rows_or_one_error(result, tmp_path):
    draw = np.random.default_rng(0)
    contents = [mutated(result, draw) for _ in range(MUTATIONS)]
    read = partial(read_result, token="token")
    confined_to(tmp_path, partial(refused, tmp_path / "result.json", read, contents), MUTATIONS // 2)


def weird(value, draw):
    """A JSON value with one thing in it changed for something else."""
    if isinstance(value, dict | list) and value and draw.random() < 0.9:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = draw.choice(keys)
        changed = value.copy()
        if draw.random() < 0.1:
            del changed[key]
        else:
            changed[key] = weird(value[key], draw)
        return changed
    return draw.choice(WEIRD)


def test_headers_of_checkpoints_that_say_something_else_under_a_checksum_that_fits(checkpoint, tmp_path):
    path = tmp_path / "c"
    path.write_bytes(checkpoint)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header = json.loads(tensors.pop(HEADER).numpy().tobytes())
    draw = random.Random(0)

    def content(header, tensors):
        text = torch.frombuffer(bytearray(json.dumps(header).encode()), dtype=torch.uint8)
        whole = {**tensors, HEADER: text}
        return safetensors.torch.save(whole, {"checksum": _checksum(whole)})

    def other(tensors):
        name = draw.choice(list(tensors))
        shape = draw.choice([(), (0,), (1,), (7, 7), (2, 3, 4)])
        return {**tensors, name: torch.zeros(shape, dtype=draw.choice([torch.float32, torch.int64, torch.bfloat16]))}

    contents = [content(weird(header, draw), tensors) for _ in range(500)]
    contents += [content(header, other(tensors)) for _ in range(200)]
    confined_to(tmp_path, partial(refused, path, read_checkpoint, contents), 400)


def test_result_files_that_say_something_else(result, tmp_path):
    draw, whole = random.Random(0), json.loads(result)
    contents = [json.dumps(weird(whole, draw)).encode() for _ in range(MUTATIONS)]
    read = partial(read_result, token="token")
    confined_to(tmp_path, partial(refused, tmp_path / "result.json", read, contents), MUTATIONS // 2)
