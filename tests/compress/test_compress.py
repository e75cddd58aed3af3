import json
import tomllib

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

import prunus
from compress.conftest import build
from prunus.compress import Settings, compression, search
from prunus.compress.search import next_share, path_to
from prunus.compress.settings import Target, seconds_of
from prunus.compress.state import Attempt
from prunus.data import Dataset, Split
from prunus.errors import InputError, StoreError
from prunus.spec import Part, Training

QUICK = {"budget": 3, "training": Training(learning_rate=3e-3, learning_rate_schedule="cosine", batch_size=100)}


@pytest.fixture(scope="module")
def halved(trained, data, tmp_path_factory):
    """The network at a half of its MACs, and the folder with it."""
    out = tmp_path_factory.mktemp("halved")
    return prunus.compress(trained, data, out=out, target="macs=0.5", **QUICK), out


def test_a_target_is_come_to_and_the_files_compute_what_the_network_does(halved, trained, data):
    found, out = halved
    before, after = (prunus.count_cost(one, data.train.inputs[:1]).dense_macs for one in (trained, found.model))
    assert 0.45 <= after / before <= 0.51
    inputs = data.test.inputs[:8]
    session = onnxruntime.InferenceSession(out / "model.onnx")
    (outputs,) = session.run(None, {"input": inputs.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(outputs, found.model(inputs).numpy(), atol=1e-4)
        again = prunus.load(out / "model.safetensors", build).eval()
        assert torch.equal(again(inputs), found.model(inputs))


def test_its_page_says_what_came_out_and_how_to_load_it(halved):
    found, out = halved
    page = (out / "report.html").read_text().replace("\N{NO-BREAK SPACE}", " ")
    before, after, lost = found.tested
    assert f"{found.best.cost / found.whole:.3f} of the macs" in page
    for text in (found.metric.text(before), found.metric.text(after), "model.onnx", "prunus.load", "delivered"):
        assert text in page
    assert lost.low <= lost.mean <= lost.high
    assert len(found.delivered.times) == 1
    assert found.delivered.memory[1] is not None


def test_the_file_of_settings_repeats_it(halved, tmp_path):
    _, out = halved
    table = tomllib.loads((out / "compress.toml").read_text())
    assert table["target"] == {"kind": "macs", "amount": 0.5}
    again = Settings.from_toml(out / "compress.toml")
    assert again.budget_seconds == 3
    assert again.training == QUICK["training"]
    assert Settings.model_validate(tomllib.loads(again.to_toml())) == again


def test_the_same_call_does_nothing_anew(halved, trained, data):
    found, out = halved
    again = prunus.compress(trained, data, out=out, target="macs=0.5", **QUICK)
    assert again.attempts == found.attempts
    with pytest.raises(StoreError, match="holds another search"):
        prunus.compress(trained, data, out=out, target="macs=0.4", **QUICK)
    longer = prunus.compress(trained, data, out=out, target="macs=0.5", **{**QUICK, "budget": 8})
    assert longer.attempts[: len(found.attempts)] == found.attempts
    assert len(longer.attempts) == len(found.attempts) + 1


class Interrupt:
    """Stops at the first sentence in which there is a text, as Ctrl-C would."""

    def __init__(self, text):
        self.text, self.done = text, False

    def __call__(self, text):
        if self.text in text and not self.done:
            self.done = True
            raise KeyboardInterrupt


def test_what_is_interrupted_leaves_the_best_and_goes_on(trained, data, tmp_path):
    arguments = {"out": tmp_path, "target": "macs=0.2", **QUICK, "budget": 3}
    stopped = prunus.compress(trained, data, **arguments, tell=Interrupt("attempt 2, "))
    assert stopped.stopped
    assert stopped.best.number == 1
    assert (tmp_path / "model.onnx").exists()
    state = json.loads((tmp_path / "search" / "state.json").read_text())
    assert state["running"]["number"] == 2
    found = prunus.compress(trained, data, **{**arguments, "budget": 5})
    assert not found.stopped
    assert found.attempts[0] == stopped.attempts[0]
    assert found.attempts[1].widths == state["running"]["widths"]
    assert found.attempts[-1].kind == "final"
    assert 0.17 <= found.best.cost / found.whole <= 0.204  # one unit is up to a tenth of so small a network


def test_steps_to_a_target_that_are_too_short_to_help_are_left_out(trained, data, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "STEP_EPOCHS", 1e6)
    found = prunus.compress(trained, data, out=tmp_path, target="macs=0.2", **QUICK)
    (only,) = found.attempts
    assert (only.kind, only.accepted) == ("final", True)
    assert only.chosen in ("by loss", "by the root of the loss", "even")
    assert only.epochs > 0


def test_what_was_cut_before_is_cut_further(trained, data, tmp_path):
    first = prunus.prune_channels(trained, data.train.inputs[:2], 0.25).model
    found = prunus.compress(first, data, out=tmp_path, target="macs=0.4", **QUICK)
    whole = prunus.load(tmp_path / "model.safetensors", build).eval()
    assert found.model[0].out_features < first[0].out_features < whole[0].in_features * 4
    inputs = data.test.inputs[:8]
    assert torch.equal(whole(inputs), found.model(inputs))


def test_nothing_to_have_before_the_first_network_is_trained(trained, data, tmp_path):
    found = prunus.compress(trained, data, out=tmp_path, target="macs=0.5", **QUICK, tell=Interrupt("attempt 1, "))
    assert found.best is None
    assert "nothing to have" in str(found)
    assert (tmp_path / "report.html").exists()


def test_nothing_can_be_gained_where_every_channel_counts(tmp_path):
    """Two inputs decide, each by one channel: without either the network guesses."""
    x = torch.randint(0, 2, (400, 4), generator=torch.Generator().manual_seed(0)).float()
    split = Split(x, (x @ torch.tensor([8.0, 4, 2, 1])).long())
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 16))
    with torch.no_grad():
        network[0].weight.copy_(torch.eye(4) * 10)
        network[0].bias.zero_()
        codes = (torch.arange(16)[:, None] >> torch.arange(3, -1, -1)) % 2
        network[2].weight.copy_((2 * codes - 1).float())
        network[2].bias.copy_(-10.0 * codes.sum(1) + 5)
    data = Dataset("codes", split, split, tuple(map(str, range(16))))
    still = Training(learning_rate=1e-9)
    found = prunus.compress(network, data, out=tmp_path, keep=0.5, budget=10, training=still, batch_sizes=(512,))
    assert found.best is None
    assert found.delivered is None
    assert "Nothing can be gained" in str(found)
    assert torch.equal(found.model[0].weight, network[0].weight)


def test_a_training_that_diverges_is_said(trained, data, tmp_path):
    fast = Training(learning_rate=1e30, batch_size=100, optimizer=Part(name="sgd"))
    found = prunus.compress(trained, data, out=tmp_path, target="macs=0.9", budget=3, training=fast)
    assert found.best is None
    assert "Nothing can be gained" not in str(found)
    assert "Training diverged for macs = " in str(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "macs=0.5", "budget": 1e-4}, r"too short\. One epoch"),
        ({"target": "macs=1e-9"}, r"cannot be reached by removing channels\. The least is .* MACs"),
        ({"target": "macs=1e12"}, r"needs no pruning"),
        ({"target": "speed=3"}, r"There is no target 'speed'"),
        ({"target": "macs=soon"}, r"It takes a number above 0"),
        ({"keep": 1.0, "target": "macs=0.5"}, r"cannot both be had"),
        ({"task": "clasification"}, r"Did you mean 'classification'"),
        ({"runtime": "onyx"}, r"There is no runtime 'onyx'"),
        ({"budget": "soon"}, r"The budget 'soon' cannot be read"),
        ({"protect": ("*",)}, r"No channel of this network can be removed"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(trained, data, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        prunus.compress(trained, data, **{"out": tmp_path / "out", **QUICK, **change})


def test_a_network_of_other_data_is_refused(trained, tmp_path):
    split = Split(torch.randn(10, 7), torch.zeros(10, dtype=torch.int64))
    with pytest.raises(InputError, match=r"The model .Sequential. does not fit the data set .others."):
        prunus.compress(trained, Dataset("others", split, split, ("a", "b")), out=tmp_path, **QUICK)


def test_a_network_that_is_not_finite_is_refused(data, tmp_path):
    network = build()
    network[0].weight.data[0, 0] = float("nan")
    with pytest.raises(InputError, match=r"The loss of Sequential is nan"):
        prunus.compress(network, data, out=tmp_path, **QUICK)


def attempt(number, cost, accepted):
    return Attempt(
        number=number, kind="search", began_from=0, asked=cost, cost=cost, predicted=cost, widths={},
        learning_rate=1e-3, epochs=1,
        accepted=accepted,
    )  # fmt: skip


def test_costs_to_try_lie_between_what_holds_and_what_does_not():
    held, failed = attempt(1, 4.0, True), attempt(2, 1.0, False)
    assert next_share([held], whole=10, least=1) == pytest.approx(0.2)
    assert next_share([held, failed], whole=10, least=0.1) == pytest.approx(0.2)
    assert next_share([attempt(1, 5.0, False)], whole=10, least=1) == pytest.approx(0.5**0.5)
    assert next_share([attempt(1, 9.5, False)], whole=10, least=1) is None


def test_a_far_target_is_come_to_in_steps():
    assert path_to(10, 9) == [9]
    assert path_to(10, 5) == pytest.approx([50**0.5, 5])
    assert len(path_to(10, 1)) == 3


def test_spans_of_time_and_targets_are_read():
    assert [seconds_of(text) for text in ("90s", "30min", "1.5h", 3)] == [90, 1800, 5400, 3]
    assert Target.of("bytes=2e5") == Target(kind="bytes", amount=200_000)
    assert compression.SETTINGS == "compress.toml"
