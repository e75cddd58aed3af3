"""Make a file and inputs such as somebody else may hand you: a trained classifier of digits, and images for it."""

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import prunus

torch.manual_seed(0)
x, y = (torch.as_tensor(part) for part in load_digits(return_X_y=True))
x = (x / 16).float().reshape(-1, 1, 8, 8)
network = nn.Sequential(
    *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Flatten(), nn.Linear(1024, 128), nn.ReLU(), nn.Linear(128, 10)),
)
optimizer = torch.optim.Adam(network.parameters(), 2e-3)
for _ in range(8):
    for chosen in torch.randperm(1300).split(64):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x[chosen]), y[chosen]).backward()
        optimizer.step()
prunus.write_onnx(network.eval(), x[:1], Path("network.onnx"))
np.savez("inputs.npz", input=x[1300:].numpy())
