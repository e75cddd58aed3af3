"""A network for scikit-learn's digits, and the digits."""

import numpy as np
from sklearn.datasets import load_digits
from torch import nn


def build() -> nn.Module:
    """Scores (n, 10) of images (n, 1, 8, 8)."""
    layers: list[nn.Module] = []
    for before, after in ((1, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(256, 10))


def load() -> tuple[np.ndarray, ...]:
    """Images and classes to train on, then those to test on."""
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    return x[:1300], y[:1300], x[1300:], y[1300:]
