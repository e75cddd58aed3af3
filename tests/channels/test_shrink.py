import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunus.channels import ChannelCutter, DifferenceError, Shrunk, plan, shrink
from prunus.channels.by_name import prune_channels
from prunus.channels.verify import random_constants
from prunus.cost import count_cost
from prunus.coupling import channel_groups, couple_model
from prunus.trace.copying import fresh_copy
from prunus.trace.inventory import held_tensors


def shrunk(model: nn.Module, x: Tensor, heads: str = "whole", seed: int = 0) -> Shrunk:
    """Half of every group, chosen at random."""
    generator = torch.Generator().manual_seed(seed)
    coupling = couple_model(model, x)
    groups = [g for g in channel_groups(coupling, heads=heads) if not g.protected]
    keep = {g.name: torch.randperm(g.units, generator=generator)[: (g.units + 1) // 2] for g in groups}
    return shrink(model, plan(groups, keep), x, coupling)


class Attention(nn.Module):
    def __init__(self, attribute: bool) -> None:
        super().__init__()
        self.num_heads = 4 if attribute else None
        self.norm = nn.LayerNorm(16)
        self.qkv, self.proj, self.head = nn.Linear(16, 48), nn.Linear(16, 16), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        n, t, _ = x.shape
        shape = (n, t, 3, self.num_heads or 4, -1)
        q, k, v = self.qkv(self.norm(x)).reshape(shape).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.head(x + self.proj(y.transpose(1, 2).flatten(2)))


@pytest.mark.parametrize(("attribute", "form"), [(True, "class"), (False, "graph")])
def test_heads_written_into_the_forward_need_the_graph(attribute: bool, form: str) -> None:
    torch.manual_seed(0)
    result = shrunk(Attention(attribute), torch.randn(2, 5, 16))
    assert result.form == form
    assert result.adapted == (("num_heads",) if attribute else ())
    assert result.model.get_parameter("qkv.weight").shape == (24, 16)
    assert result.deviation < 1e-12


def test_dimensions_of_heads_keep_the_scale_of_the_original() -> None:
    torch.manual_seed(0)
    result = shrunk(Attention(True), torch.randn(2, 5, 16), heads="dimensions")
    assert result.form == "graph"  # the class would divide by the square root of the smaller size
    assert result.model.get_parameter("qkv.weight").shape == (24, 16)


class EvenAttention(nn.Module):
    """Whatever a head is, each token sees almost the same."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 4
        self.qkv, self.proj, self.head = nn.Linear(16, 48), nn.Linear(16, 16), nn.Linear(16, 3)
        nn.init.normal_(self.qkv.weight[:32], std=1e-3)
        nn.init.normal_(self.qkv.bias[:32], std=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (-1, self.size)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, scale=0.5)
        return self.head(x + self.proj(y.transpose(1, 2).flatten(2)))


def test_heads_that_are_mixed_up_are_found_also_where_they_tell_little() -> None:
    torch.manual_seed(0)
    result = shrunk(EvenAttention(), torch.randn(2, 6, 16), heads="dimensions")
    assert result.adapted == ("size",)  # with 4, two heads of 2 would be one, which is within the limit
    assert result.deviation < 1e-12


def test_the_graph_takes_any_batch_trains_and_evaluates() -> None:
    torch.manual_seed(0)

    class Written(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.drop = nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.Dropout(0.5)
            self.head = nn.Linear(8 * 4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.drop(self.norm(self.conv(x))).reshape(x.shape[0], 32))

    result = shrunk(Written(), torch.randn(2, 1, 4, 4))
    network = result.model
    assert (result.form, result.fixed_batch) == ("graph", None)
    assert network(torch.randn(7, 1, 4, 4)).shape == (7, 2)
    before = network.get_buffer("norm.running_mean").clone()
    x = torch.randn(3, 1, 4, 4)
    assert not torch.equal(network.train()(x), network(x))  # dropout is at work
    assert not torch.equal(network.get_buffer("norm.running_mean"), before)
    assert torch.equal(network.eval()(x), network(x))
    network(x).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_numbers_in_the_graph_that_depend_on_the_batch_fix_it() -> None:
    class Averaged(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.leave = nn.Linear(4, 8), nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            y = self.enter(x) + x.new_zeros(8)  # a size that no attribute explains
            return self.leave(y) / torch.tensor([float(x.shape[0])])

    result = shrunk(Averaged(), torch.randn(2, 4))
    assert result.form == "graph"
    assert "depend on the batch" in (result.fixed_batch or "")


def test_costs_are_of_the_same_inputs_also_where_the_graph_takes_no_single_one() -> None:
    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.leave = nn.Bilinear(4, 4, 8, bias=False), nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            y = self.enter(x, x) + x.new_zeros(8)  # a size that no attribute explains
            if len(x) == 1 and float(x.sum()) > 1e9:  # a single sample can't be traced
                y = y + 1
            return self.leave(y)

    model, x = Joined(), torch.randn(3, 4)
    report = prune_channels(model, x, 0.5).report
    assert report.fixed_batch
    assert count_cost(model, x).dense_macs == 8 * 2
    assert (report.macs.before, report.macs.after) == (3 * 8 * 2, 3 * 4 * 2)


def test_in_single_precision_rounding_is_no_difference_where_the_network_magnifies_it() -> None:
    class Magnifying(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.mid, self.leave = nn.Linear(64, 200), nn.Linear(200, 200), nn.Linear(200, 2)

        def forward(self, x: Tensor) -> Tensor:
            if x.dtype != torch.float32:
                raise TypeError("single precision alone")
            return self.leave((3e3 * self.mid(self.enter(x).relu())).sin())

    torch.manual_seed(0)
    found = shrunk(Magnifying(), torch.randn(8, 64))
    assert 1e-5 < found.deviation < 1e-3


def test_a_proof_does_not_write_into_the_result() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.leave = nn.Linear(4, 8, dtype=torch.float64), nn.Linear(8, 2, dtype=torch.float64)
            self.register_buffer("calls", torch.tensor(0))
            self.register_buffer("total", torch.tensor(0.0, dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            self.total += 1
            return self.leave(self.enter(x))

    model = Counting()
    network = shrunk(model, torch.randn(2, 4, dtype=torch.float64)).model
    assert [int(one.get_buffer(name)) for one in (model, network) for name in ("calls", "total")] == [0, 0, 0, 0]


def test_networks_that_draw_random_numbers_draw_as_many() -> None:
    class Sampled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.spread, self.leave = nn.Linear(6, 16), nn.Linear(16, 4), nn.Linear(4, 6)

        def forward(self, x: Tensor) -> Tensor:
            y = self.spread(self.enter(x).relu())
            return self.leave(y + torch.randn_like(y))

    result = prune_channels(Sampled(), torch.randn(2, 6), 0.5)
    assert result.model.get_parameter("spread.weight").shape == (4, 8)
    assert next("random" in (row.protected or "") for row in result.report.groups if row.name == "spread")


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inp, self.norm, self.out = nn.Linear(3, 8), nn.LayerNorm(8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.norm(self.inp(x)).relu())


def test_a_norm_over_pruned_channels_is_taken_over_those_that_are_kept() -> None:
    torch.manual_seed(0)
    model, x = Normed(), torch.randn(4, 3)
    groups = channel_groups(model, x)
    assert groups[0].normalised == ("norm",)
    result = shrink(model, plan(groups, {"inp": [0, 2, 5]}), x)
    assert result.model.norm.normalized_shape == (3,)
    kept = model.inp(x)[:, [0, 2, 5]]
    by_hand = F.layer_norm(kept, (3,)).relu() @ model.out.weight[:, [0, 2, 5]].T + model.out.bias
    torch.testing.assert_close(result.model(x), by_hand)


def test_layers_that_start_at_zero_do_not_hide_a_fault() -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    nn.init.zeros_(model[2].weight)
    nn.init.zeros_(model[2].bias)
    twin = fresh_copy(model, random_constants(held_tensors(model)))
    x = torch.randn(5, 3)
    assert not model(x).any()
    assert (twin(x).std(0) > 0.05).all()


class Augmented(nn.Module):
    """Marks some of its inputs while it trains, with a parameter that nothing else reads."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.norm, self.leave = nn.Linear(4, 16), nn.LayerNorm(16), nn.Linear(16, 2)
        self.mark = nn.Parameter(torch.randn(16))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.enter(x)) + x.new_zeros(16)  # a size that no attribute explains
        if self.training:
            x = x.clone()
            x[torch.tensor([[True, False, True]] * len(x))] = self.mark
        return self.leave(x.relu())


class Areas(nn.Module):
    """Attention within areas; the number of heads is that of the areas as well, and also stands beside the layers."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.mix, self.leave = nn.Linear(6, 32), nn.Conv1d(64, 64, 3, 1, 1, groups=64), nn.Linear(128, 3)
        self.qkv = nn.Linear(16, 192)
        self.index, self.heads, self.width = 2, 4, 64

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.enter(x).chunk(2, -1)
        q, k, v = self.qkv(other).reshape(len(x) * 4, -1, self.width * 3).chunk(3, -1)
        q, k, v = (part.view(len(part), -1, self.heads, 16).transpose(1, 2) for part in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(len(x), -1, self.width)
        y = y + self.mix(y.mT).mT
        return self.leave(torch.cat([y, y], -1)) + one.sum() * self.index


def test_numbers_that_say_how_many_parts_there_are_are_no_sizes() -> None:
    pruned = prune_channels(Areas().eval(), torch.randn(4, 8, 6), 0.5)
    assert pruned.report.adapted == ("heads", "width")
    assert pruned.report.form == "class"
    assert [way.outcome for way in pruned.report.ways] == ["agrees"] * len(pruned.report.ways)


def test_what_only_training_does_takes_part_and_stays_out_of_evaluation() -> None:
    model, x = Augmented().eval(), torch.randn(2, 3, 4)
    pruned = prune_channels(model, x, 0.5)
    assert pruned.report.form == "graph"
    assert "index_put" in pruned.report.evaluation_only
    assert pruned.model.get_parameter("mark").shape == (8,)
    kept = next(cut for cut in pruned.plan.cuts if cut.tensor == "norm.weight").removed
    left = [place for place in range(16) if place not in kept]
    middle = F.layer_norm(model.enter(x)[..., left], (8,), model.norm.weight[left], model.norm.bias[left])
    expected = F.linear(middle.relu(), model.leave.weight[:, left], model.leave.bias)
    assert torch.allclose(pruned.model(x), expected, atol=1e-5)


def test_a_trace_that_is_not_what_the_model_computes_is_refused() -> None:
    model, x = Augmented().eval(), torch.randn(2, 3, 4)
    coupling = couple_model(model, x)
    group = next(group for group in channel_groups(coupling) if not group.protected)
    model.norm = nn.LayerNorm(16, eps=1.0)  # after it was traced
    with pytest.raises(DifferenceError):
        ChannelCutter(model, x, coupling).shrink(model, plan([group], {group.name: torch.arange(8)}))


def test_what_only_training_reads_is_cut_although_training_throws_dice() -> None:
    class Dropping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.augmented, self.layer = Augmented(), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.augmented(x)
            return x if self.training and torch.rand([]) < 0.1 else self.layer(x)

    pruned = prune_channels(Dropping().eval(), torch.randn(2, 3, 4), 0.5)
    assert pruned.model.get_parameter("augmented.mark").shape == (8,)


def test_the_length_of_a_repetition_shrinks_with_what_is_repeated() -> None:
    class Grouped(nn.Module):
        """Each group's values go to two heads, and the length of the result is written, as for speed."""

        def __init__(self) -> None:
            super().__init__()
            self.groups, self.heads, self.out = nn.Linear(6, 8), nn.Linear(6, 16), nn.Linear(16, 3)

        def forward(self, x: Tensor) -> Tensor:
            shared = self.groups(x).view(-1, 4, 2).repeat_interleave(2, dim=1, output_size=8)
            return self.out((shared * self.heads(x).view(-1, 8, 2)).flatten(1))

    torch.manual_seed(0)
    result = shrunk(Grouped(), torch.randn(2, 6))
    assert sum(p.numel() for p in result.model.parameters()) < sum(p.numel() for p in Grouped().parameters()) * 0.7
