"""A small trained network, its data, and a compression of it that takes a second or two."""

import pytest
import torch
from torch import nn

from prunus.data import Dataset, Split
from prunus.spec import Training
from prunus.train import Pruner, start, train


def make_data(inputs=600, seed=0):
    x = torch.randn(inputs, 12, generator=torch.Generator().manual_seed(seed))
    return Split(x, (x[:, :3].sum(1) > 0).long() + (x[:, 3] > 0.5).long())


def build():
    return nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 3))


@pytest.fixture(scope="session")
def data():
    return Dataset("signs", make_data(1200), make_data(1000, seed=1), ("none", "one", "both"))


@pytest.fixture(scope="session")
def trained(data):
    """A network that knows its data well; tests leave it as it is."""
    torch.manual_seed(0)
    training = Training(epochs=15, learning_rate=3e-3, learning_rate_schedule="cosine", batch_size=100)
    model = build()
    pruner = Pruner(model, None, data.train.inputs[:2], epochs=15, steps_per_epoch=None)
    return train(start(model, pruner, training), data, training, seed=0).model.eval()
