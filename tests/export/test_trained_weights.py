"""Weights as training programs leave them, and files that are no such thing."""

import collections
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from prunus.errors import InputError
from prunus.export import load_weights, read_network


def network(width=4, classes=3):
    body = nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.Flatten())
    return nn.Sequential(collections.OrderedDict(body=body, head=nn.Linear(width * 36, classes)))


def trained():
    torch.manual_seed(3)
    model = network()
    model.body[1].running_mean.normal_()
    model.body[1].num_batches_tracked.fill_(9)
    return model


def prefixed(state, prefix):
    return {prefix + name: tensor for name, tensor in state.items()}


STATE = trained().state_dict()
AVERAGED = {name: tensor * 0 for name, tensor in STATE.items()}

SAVED = {
    "a state": STATE,
    "in parallel": prefixed(STATE, "module."),
    "compiled": prefixed(STATE, "_orig_mod."),
    "compiled in parallel": prefixed(STATE, "_orig_mod.module."),
    "a checkpoint": {"epoch": 3, "state_dict": STATE, "optimizer": {"state": {0: {"step": torch.ones(())}}}},
    "lightning's": {"pytorch-lightning_version": "2", "state_dict": prefixed(STATE, "model."), "loops": {}},
    "beside an average": {"model_ema": AVERAGED, "model": STATE},
    "beside a number": {"best": torch.tensor(0.9), "model_state_dict": STATE},
    "of half precision": {name: t.bfloat16().float() if t.is_floating_point() else t for name, t in STATE.items()},
    "without counters": {name: t for name, t in STATE.items() if "num_batches" not in name},
}


@pytest.mark.parametrize("name", SAVED)
def test_what_training_programs_save(name, tmp_path):
    torch.save(SAVED[name], tmp_path / "trained.pt")
    model = read_network(tmp_path / "trained.pt", network)
    tolerance = 0.01 if "half" in name else 0
    for key, tensor in model.state_dict().items():
        if "num_batches" not in key:
            torch.testing.assert_close(tensor, STATE[key], rtol=tolerance, atol=tolerance)


def test_half_precision_is_widened(tmp_path):
    torch.save({name: t.half() if t.is_floating_point() else t for name, t in STATE.items()}, tmp_path / "half.pth")
    model = network()
    load_weights(model, tmp_path / "half.pth")
    assert model.head.weight.dtype == torch.float32
    assert torch.equal(model.head.weight, STATE["head.weight"].half().float())


def test_names_that_begin_as_a_prefix_does_are_the_networks_own(tmp_path):
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = nn.Linear(2, 2)

    save_file(Wrapped().state_dict(), tmp_path / "wrapped.safetensors")
    torch.save(prefixed(Wrapped().state_dict(), "module."), tmp_path / "wrapped.pt")
    for file in ("wrapped.safetensors", "wrapped.pt"):
        load_weights(Wrapped(), tmp_path / file)


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (network(classes=5).state_dict(), r"'head.weight' is float32 5x144 in the file and float32 3x144 in the net"),
        ({**STATE, "head.gain": torch.ones(1)}, r"(?i)the network has no 'head.gain'"),
        ({name: t for name, t in STATE.items() if name != "head.bias"}, r"(?i)the file has no 'head.bias'"),
        (
            {name.replace("head", "haed"): t for name, t in STATE.items()},
            r"no 'head.weight' but 'haed.weight'.*; and 1 more",
        ),
        (prefixed(STATE, "encoder."), r"(?i)the file has no 'body.0.weight' but 'encoder.body.0.weight'"),
        ({**STATE, "head.bias": torch.ones(3, dtype=torch.long)}, "is int64 3 in the file"),
        ({"epoch": 3}, "(?i)no table of tensors by name"),
        ([1, 2], "(?i)no table of tensors by name"),
    ],
)
def test_weights_of_another_network(saved, message, tmp_path):
    torch.save(saved, tmp_path / "other.pt")
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(InputError, match=message):
        load_weights(model, tmp_path / "other.pt")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


class Runs:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", [2, 5])
def test_no_code_of_a_file_is_run(tmp_path, capsys, protocol):
    torch.save({"state_dict": STATE, "args": Runs()}, tmp_path / "new.pt")
    (tmp_path / "old.pt").write_bytes(pickle.dumps({"state_dict": Runs()}, protocol=protocol))
    torch.save(network(), tmp_path / "whole.pt")
    for file in ("new.pt", "old.pt", "whole.pt"):
        with pytest.raises(InputError, match="cannot be read"):
            load_weights(network(), tmp_path / file)
    assert "run" not in capsys.readouterr().out
    with pytest.raises(InputError, match=r"objects of classes.*torch.save\(model.state_dict"):
        load_weights(network(), tmp_path / "whole.pt")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_files_that_were_cut_off(tmp_path, share):
    torch.save(STATE, tmp_path / "whole.pt")
    content = (tmp_path / "whole.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"cut.pt cannot be read"):
        load_weights(network(), tmp_path / "cut.pt")
