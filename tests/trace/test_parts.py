"""Operations without a rule of their own: followed through what they are made of, and saved with what they are."""

import pytest
import torch
from torch import Tensor, nn

from prunus.channels import load, save
from prunus.channels.by_name import prune_channels
from prunus.trace.trace import trace

JOINED = {  # of two tensors of 6 channels: how wide it is, and what it is made of
    "hstack": (12, torch.hstack, "cat"),
    "dstack": (12, lambda ab: torch.dstack(ab).flatten(1), "cat"),
    "column_stack": (12, torch.column_stack, "cat"),
    "fliplr": (6, lambda ab: torch.fliplr(ab[0]) + ab[1], "flip"),
    "tensordot": (5, lambda ab: torch.tensordot(ab[0], ab[1].T, dims=([1], [0])), "mm"),
    "inner": (5, lambda ab: torch.inner(*ab), "mm"),
    "chain_matmul": (6, lambda ab: torch.linalg.multi_dot([ab[0], ab[1].T, ab[0]]), "mm"),
    "aminmax": (6, lambda ab: ab[1] - torch.aminmax(ab[0], dim=0)[0], "amin"),
    "logaddexp": (6, lambda ab: torch.logaddexp(*ab), "logaddexp"),
    "std_mean": (6, lambda ab: ab[0] * torch.std_mean(ab[1], 0)[0], "std_mean"),
    "kthvalue": (6, lambda ab: ab[0] - torch.kthvalue(ab[1], 2, 0)[0], "kthvalue"),
    "xor": (6, lambda ab: ab[0] * ((ab[0] > 0) ^ (ab[1] > 0)), "__xor__"),
}


class Joined(nn.Module):
    def __init__(self, width, join):
        super().__init__()
        self.a, self.b, self.middle, self.head = nn.Linear(4, 6), nn.Linear(4, 6), nn.Linear(width, 8), nn.Linear(8, 2)
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.middle(self.join((self.a(x), self.b(x)))).relu())


@pytest.mark.parametrize("name", JOINED)
def test_channels_go_on_either_side_of_it(name):
    width, join, part = JOINED[name]
    model, x = Joined(width, join).eval(), torch.randn(5, 4)
    kinds = [node.kind for node in trace(model, x).nodes]
    assert part in kinds
    pruned = prune_channels(model, x, 0.5)  # proves it
    assert not any("can't be followed" in str(row.protected) for row in pruned.report.groups)
    assert pruned.model.a.out_features == pruned.model.b.out_features == 3


def test_what_nothing_is_known_of_protects_its_channels_and_can_be_saved(tmp_path):
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.head = nn.Linear(4, 6), nn.Linear(6, 8), nn.Linear(8, 2)

        def forward(self, x):
            a = self.a(x)
            sign = torch.bucketize(a, torch.tensor([-1.0, 1.0])) - 1
            b = self.b(a * sign)
            b = b + b.new_zeros(2, 8)  # a size that no attribute explains
            return self.head(b * ((b > 0) & (b < 9)))

    model, x = Masked().eval(), torch.randn(2, 4)
    pruned = prune_channels(model, x, 0.5)
    assert pruned.report.form == "graph"
    assert "an operation that can't be followed: operation bucketize" in str(pruned.report)
    save(pruned.model, tmp_path / "small.safetensors")
    assert torch.equal(load(tmp_path / "small.safetensors", Masked)(x), pruned.model(x))
