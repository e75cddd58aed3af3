"""Convolutions as sums of products compute what torch's own do."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional

from prunus.surgery import convolving
from prunus.surgery.convolving import QuickConvolutions

CASES = list(itertools.product([1, 2, 4, 6], [(3, 3), (2, 3), (5, 1)], [1, 2, 3], [0, (1, 1), (2, 0)], [4, 12]))


@pytest.mark.parametrize("batch", [1, 2])
def test_every_kind_of_window_gives_what_torch_gives(monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(convolving, "COLUMNS", 0)
    calls = []
    monkeypatch.setattr(convolving, "_summed", lambda *args, how=convolving._summed: calls.append(1) or how(*args))
    for groups, window, stride, padding, channels in CASES:
        if channels % groups:
            continue
        x = torch.randn(batch, channels, 6, 7, dtype=torch.float64)
        weight = torch.randn(channels, channels // groups, *window, dtype=torch.float64)
        bias = torch.randn(channels, dtype=torch.float64)
        expected = functional.conv2d(x, weight, bias, stride, padding, 1, groups)
        with QuickConvolutions():
            found = functional.conv2d(x, weight, bias, stride, padding, 1, groups)
        assert found.is_contiguous()
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert len(calls) > (150 if batch == 1 else 15)


def test_what_it_does_not_know_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolving, "_summed", None)  # whatever calls it fails
    depthwise = nn.Conv2d(4, 4, 3, groups=4, dtype=torch.float64)
    layers = [
        nn.Conv2d(4, 4, 3, groups=4),  # in single precision
        nn.Conv2d(4, 4, 3, groups=4, dilation=2, dtype=torch.float64),
        nn.Conv2d(4, 4, 3, groups=4, padding="same", dtype=torch.float64),
        nn.Conv2d(4, 4, 3, groups=4, stride=(1, 2), dtype=torch.float64),
        nn.Conv2d(4, 4, 3, dtype=torch.float64),  # so small that one product is as good
    ]
    for layer in layers:
        x = torch.randn(1, 4, 6, 6, dtype=layer.weight.dtype)
        expected = layer(x)
        with QuickConvolutions():
            assert torch.equal(layer(x), expected)
    x = torch.randn(1, 4, 6, 6, dtype=torch.float64)
    with QuickConvolutions(), pytest.raises(TypeError):
        depthwise(x)
    with QuickConvolutions():
        named = torch.conv2d(input=x, weight=depthwise.weight, groups=4)
    assert torch.equal(named, torch.conv2d(x, depthwise.weight, groups=4))
