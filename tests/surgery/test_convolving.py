"""Convolutions that are computed otherwise give what torch's own do."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from prunus.surgery import convolving
from prunus.surgery.quick import Quick

CASES = list(itertools.product([1, 2, 4, 6], [(3, 3), (2, 5), (5, 1)], [1, 2, 3], [0, (1, 1), (2, 0)], [4, 12]))


@pytest.mark.parametrize(
    ("batch", "at_once", "columns", "rows", "places"), [(1, 10**6, 0, 9, 150), (2, 10**6, 36, 9, 15), (2, 0, 36, 9, 15)]
)
def test_every_kind_of_window_gives_what_torch_gives(
    monkeypatch: pytest.MonkeyPatch, batch: int, at_once: int, columns: int, rows: int, places: int
) -> None:
    monkeypatch.setattr(convolving, "COLUMNS", 0)
    monkeypatch.setattr(convolving, "STRIDED", 0)
    monkeypatch.setattr(convolving, "ROWS", at_once)
    calls = []
    for name in ("_by_columns", "_by_rows", "_by_places"):
        how = getattr(convolving, name)
        monkeypatch.setattr(convolving, name, lambda *args, name=name, how=how: calls.append(name) or how(*args))
    for groups, window, stride, padding, channels in CASES:
        if channels % groups:
            continue
        x = torch.randn(batch, channels, 6, 7, dtype=torch.float64)
        weight = torch.randn(channels, channels // groups, *window, dtype=torch.float64)
        bias = torch.randn(channels, dtype=torch.float64)
        expected = functional.conv2d(x, weight, bias, stride, padding, 1, groups)
        found = functional.conv2d(x, Quick.of(weight, parameter=True), bias, stride, padding, 1, groups)
        assert found.is_contiguous()
        assert type(found) is torch.Tensor
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert calls.count("_by_columns") >= columns
    assert calls.count("_by_rows") >= rows
    assert calls.count("_by_places") >= places


@pytest.mark.parametrize("batch", [1, 3])
def test_strided_windows_may_be_spread(monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(convolving, "STRIDED", 0)
    x = torch.randn(3, batch, 12, 11, dtype=torch.float64).transpose(0, 1)
    layer = nn.Conv2d(3, 4, (3, 2), stride=(2, 3), padding=(2, 1), dilation=(2, 3), dtype=torch.float64)
    with torch.no_grad():
        expected = layer(x)
        torch.testing.assert_close(quickly(layer, x), expected, rtol=1e-12, atol=1e-12)


def quickly(layer: nn.Conv2d, x: Tensor) -> Tensor:
    layer._parameters["weight"] = Quick.of(layer.weight, parameter=True)  # type: ignore[assignment]
    return layer(x)


@pytest.mark.parametrize("at_once", [10**6, 10**4, 0])
def test_depthwise_windows_may_be_padded_by_a_word(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(convolving, "ROWS", at_once)
    x = torch.randn(2, 4, 9, 9, dtype=torch.float64)
    for padding, dilation in (("same", 1), ("valid", 1), ("same", 2), (2, (2, 1))):
        layer = nn.Conv2d(4, 4, 5, padding=padding, dilation=dilation, groups=4, dtype=torch.float64)
        with torch.no_grad():
            expected = layer(x)
            torch.testing.assert_close(quickly(layer, x), expected, rtol=1e-12, atol=1e-12)


def test_what_it_does_not_know_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolving, "_by_places", None)  # whatever calls it fails
    depthwise = nn.Conv2d(4, 4, 3, groups=4, dtype=torch.float64)
    layers = [
        nn.Conv2d(4, 4, 3, groups=4),  # in single precision
        nn.Conv2d(4, 4, 3, groups=4, dilation=2, dtype=torch.float64),
        nn.Conv2d(4, 4, 3, groups=4, stride=(1, 2), dtype=torch.float64),
        nn.Conv2d(4, 4, 3, dtype=torch.float64),  # so small that one product is as good
    ]
    for layer in layers:
        x = torch.randn(1, 4, 6, 6, dtype=layer.weight.dtype)
        expected = layer(x)
        assert torch.equal(quickly(layer, x), expected)
    x = torch.randn(1, 4, 6, 6, dtype=torch.float64)
    named = torch.conv2d(input=x, weight=Quick.of(depthwise.weight, parameter=True), groups=4)
    assert torch.equal(named, torch.conv2d(x, depthwise.weight, groups=4))
    with pytest.raises(TypeError):
        quickly(depthwise, x)
