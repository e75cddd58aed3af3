"""Values written in place or by a mask: what goes through, and what has to stay."""

import pytest
import torch
from torch import nn

import prunus

X = torch.randn(2, 3, 4)


class Rows(nn.Module):
    """Rows of one layer written over those of another where a mask says so."""

    def __init__(self, mask):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(8, 2)
        self.mask = mask

    def forward(self, x):
        a, b = self.a(x), self.b(x).reshape(-1, 8 if self.a.out_features == 8 else self.b.out_features)
        return self.head(a.masked_scatter(self.mask(x[..., :1] > 0, a), b))


@pytest.mark.parametrize(
    "mask",
    [
        lambda rows, a: rows,
        lambda rows, a: rows.expand_as(a),
        lambda rows, a: rows.expand(-1, -1, a.shape[-1]),
        lambda rows, a: rows.expand_as(a).to(a.device),
    ],
)
def test_a_mask_of_rows_lets_channels_go(mask):
    pruned = prunus.prune_channels(Rows(mask).eval(), X, 0.5)
    assert {row.name: row.kept for row in pruned.report.groups if not row.protected} == {"a": 4}
    assert pruned.model.b.out_features == 4


def test_a_mask_of_single_numbers_keeps_them():
    with pytest.raises(prunus.InputError, match="positions chosen by a mask"):
        prunus.prune_channels(Rows(lambda rows, a: a > 0).eval(), X, 0.5)


class ZeroedBias(nn.Module):
    """The second third of a bias is set to zero, as the keys of Swin v2."""

    def __init__(self):
        super().__init__()
        self.make, self.head = nn.Linear(4, 12), nn.Linear(4, 2)

    def forward(self, x):
        bias = self.make.bias.clone()
        bias[4:8].zero_()
        a, b, c = nn.functional.linear(x, self.make.weight, bias).chunk(3, -1)
        return self.head(a * b + c)


def test_a_part_that_is_set_to_zero_lets_channels_go():
    pruned = prunus.prune_channels(ZeroedBias().eval(), X, 0.5)
    assert [row.kept for row in pruned.report.groups if not row.protected] == [2]
