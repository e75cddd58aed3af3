"""Networks of every task, with inputs of every form, are compressed: they learn, are judged, and come out as files."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import prunus
from prunus.data import Dataset, Split
from prunus.data.streamed import dataset_of_streams
from prunus.spec import Training

DRAWS = torch.Generator().manual_seed(0)
X = torch.randn(400, 8, generator=DRAWS)
IMAGES = torch.randn(60, 1, 8, 8, generator=DRAWS)
TOKENS = torch.randint(0, 12, (120, 9), generator=DRAWS)
TOKENS[:, 1::2] = (TOKENS[:, :-1:2] + 1) % 12


class Language(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.hidden, self.out = nn.Embedding(12, 8), nn.Linear(8, 32), nn.Linear(32, 12)

    def forward(self, input_ids):
        return self.out(self.hidden(self.embedding(input_ids)).relu())


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right, self.out = nn.Linear(4, 16), nn.Linear(4, 16), nn.Linear(16, 1)

    def forward(self, left, right):
        return self.out((self.left(left) + self.right(right)).relu())


def dense(outputs):
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, outputs))


def halves(inputs, targets, classes=()):
    split = Split(inputs, targets)
    return Dataset("made", split, split, classes)


SUMS = X.sum(1, keepdim=True)
SEGMENTER = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 2, 1))
CASES = {
    "regression": (dense(1), halves(X, SUMS)),
    "multilabel": (dense(2), halves(X, (X[:, :2] > 0).float(), ("a", "b"))),
    "segmentation": (SEGMENTER, halves(IMAGES, (IMAGES[:, 0] > 0).long(), ("dark", "light"))),
    "language-model": (Language(), halves(TOKENS[:, :-1], TOKENS[:, 1:])),
    "two inputs": (Two(), halves({"left": X[:, :4], "right": X[:, 4:]}, SUMS)),
}
QUICK = {"budget": 2, "training": Training(learning_rate=3e-3, batch_size=50)}


@pytest.mark.parametrize("name", CASES)
def test_a_network_of_a_task_is_compressed(name, tmp_path):
    network, data = CASES[name]
    task = "regression" if name == "two inputs" else name
    found = prunus.compress(network, data, task=task, out=tmp_path, target="macs=0.6", **QUICK)
    assert found.best.cost == pytest.approx(0.6 * found.whole, rel=0.1)
    assert found.metric.name in str(found)
    assert {file.format for file in found.delivered.files} == {"safetensors", "onnx"}
    assert found.delivered.times[0].after_ms > 0
    assert found.delivered.memory is not None


def test_a_latency_of_a_language_model(tmp_path):
    network, data = CASES["language-model"]
    told = []
    found = prunus.compress(
        network, data, task="language-model", out=tmp_path, keep=99.0, tell=told.append, batch_sizes=(64,), **QUICK
    )
    assert any("timing layer" in text and "hidden.weight" in text for text in told)
    assert found.goal == "latency_ms"


def test_data_that_are_read_while_training_with_validation_inputs_of_their_own(tmp_path):
    def loader(first, last):
        return DataLoader(TensorDataset(X[first:last], SUMS[first:last]), batch_size=20, shuffle=first == 0)

    data = dataset_of_streams("made", (loader(0, 300), loader(300, 350), loader(350, 400)))
    found = prunus.compress(dense(1), data, task="regression", out=tmp_path, target="macs=0.6", **QUICK)
    assert found.chosen_by == "the 50 validation inputs"
    assert found.delivered.times[0].after_ms > 0
