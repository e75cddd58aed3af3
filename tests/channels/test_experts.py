"""Mixtures of experts: their inner widths go, and the router sends every token where it did."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from prunus import channel_groups, load, prune_channels, save
from prunus.channels import ChannelCutter, masked, plan
from prunus.cost import count_cost
from prunus.errors import InputError

EXPERTS, TOKENS, HIDDEN, INNER = 4, 6, 16, 24


class Mixture(nn.Module):
    """Experts held as fused weights, dispatched to by number as transformers does it."""

    def __init__(self, how: str, inner: int = INNER) -> None:
        super().__init__()
        self.how = how
        self.router = nn.Linear(HIDDEN, EXPERTS)
        self.gate_up = nn.Parameter(torch.randn(EXPERTS, 2 * inner, HIDDEN) / 4)
        self.down = nn.Parameter(torch.randn(EXPERTS, HIDDEN, inner) / 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights, numbers = self.router(x).softmax(-1).topk(2, dim=-1)
        chosen, order = numbers.flatten().sort()
        rows = x[order // 2]
        if self.how == "grouped":
            ends = functional.one_hot(chosen, EXPERTS).sum(0).cumsum(0).to(torch.int32)
            gate, up = functional.grouped_mm(rows, self.gate_up.transpose(1, 2), offs=ends).chunk(2, -1)
            out = functional.grouped_mm(functional.silu(gate) * up, self.down.transpose(1, 2), offs=ends)
        else:
            gate, up = (self.gate_up[chosen] @ rows.unsqueeze(-1)).squeeze(-1).chunk(2, -1)
            out = (self.down[chosen] @ (functional.silu(gate) * up).unsqueeze(-1)).squeeze(-1)
        out = out * weights.flatten()[order].unsqueeze(-1)
        return torch.zeros_like(x).index_add(0, order // 2, out)


@pytest.fixture
def x():
    return torch.randn(TOKENS, HIDDEN, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("how", ["grouped", "gathered"])
def test_inner_width_of_all_experts_goes_and_the_router_stays(how, x, tmp_path):
    torch.manual_seed(0)
    model = Mixture(how).eval()
    pruned = prune_channels(model, x, 0.5)
    assert pruned.model.gate_up.shape == (EXPERTS, INNER, HIDDEN)
    assert pruned.model.down.shape == (EXPERTS, HIDDEN, INNER // 2)
    assert torch.equal(pruned.model.router.weight, model.router.weight)
    expected = masked(model, pruned.plan, x)(x)
    torch.testing.assert_close(pruned.model(x), expected)
    save(pruned.model, tmp_path / "small.safetensors")
    loaded = load(tmp_path / "small.safetensors", lambda: Mixture(how))
    torch.testing.assert_close(loaded(x), expected)
    assert prune_channels(pruned.model, x, 0.5).report.macs.after < pruned.report.macs.after


def test_rows_of_grouped_products_stay_multiples_of_16_bytes(x):
    """Torch's kernel takes no others: of 20 channels in single precision 12 are left at a rate of half, not 10."""
    torch.manual_seed(0)
    pruned = prune_channels(Mixture("grouped", inner=20).eval(), x, 0.5)
    assert pruned.model.down.shape[2] == 12
    target = prune_channels(
        Mixture("grouped", inner=20).eval(), x, allocation={"name": "uniform", "macs": pruned.report.macs.ratio}
    )
    assert target.model.down.shape[2] == 12


def test_macs_of_grouped_products_are_counted(x):
    """Of one token: in each of its 2 experts 16 x 48 and 24 x 16 products, and the router's."""
    cost = count_cost(Mixture("grouped"), x)
    assert cost.dense_macs == HIDDEN * EXPERTS + 2 * (HIDDEN * 2 * INNER + INNER * HIDDEN)
    assert not cost.not_counted


class Dispatching(Mixture):
    """Experts that look for their tokens one after the other, as transformers' eager ones do."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights, numbers = self.router(x).softmax(-1).topk(2, dim=-1)
        result = torch.zeros_like(x)
        for expert in numbers.unique():
            if expert == EXPERTS:
                continue
            token, place = torch.where(numbers == expert)
            gate, up = (x[token] @ self.gate_up[expert].t()).chunk(2, -1)
            out = functional.silu(gate) * up
            out = (out @ self.down[expert].t()) * weights[token, place, None]
            result.index_add_(0, token, out)
        return result


def test_inner_width_goes_of_experts_that_look_for_their_tokens(x):
    """What the loop's variables hold when it decides on the next expert is never read again."""
    torch.manual_seed(0)
    model = Dispatching("eager").eval()
    pruned = prune_channels(model, x, 0.5)
    assert pruned.report.untraced
    assert pruned.model.down.shape == (EXPERTS, HIDDEN, INNER // 2)
    for other in (x, x.flip(0) * 3, x[:1]):
        torch.testing.assert_close(pruned.model(other), masked(model, pruned.plan, x)(other))


class Remembering(Dispatching):
    """Reads the last activations where they are negative in sum: they must stay, for the cut would be seen."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = functional.silu(x @ self.gate_up[0].t())
        result = inner[:, :INNER] @ self.down[0].t()
        return result + inner.sum() if x[0, 0] > 9 else result


def test_what_is_read_behind_a_decision_stays(x):
    with pytest.raises(InputError, match="held where values decide"):
        prune_channels(Remembering("eager").eval(), x, 0.5)


@pytest.mark.parametrize("implementation", ["grouped_mm", "batched_mm", "eager"])
def test_experts_of_transformers_can_be_pruned(implementation):
    transformers = pytest.importorskip("transformers")
    config = transformers.MixtralConfig(
        vocab_size=16, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, num_local_experts=4, num_experts_per_tok=2, experts_implementation=implementation,
    )  # fmt: skip
    model = transformers.MixtralForCausalLM(config).eval()
    inputs = {"input_ids": torch.zeros(1, 4, dtype=torch.int64), "use_cache": False}
    groups = [group for group in channel_groups(model, inputs) if group.protected is None]
    inner = [group for group in groups if group.producers[0].parameter.endswith("gate_up_proj")]
    assert [group.units for group in inner] == [24]
    half = plan(groups, {group.name: range(group.units // 2) for group in groups if group.width == 1 or group in inner})
    if implementation == "eager":  # which keeps the hidden width, for it is held where values decide
        assert prune_channels(model, inputs, 0.5).model.model.layers[0].mlp.experts.down_proj.shape == (4, 16, 12)
        return
    cutter = ChannelCutter(model, inputs)
    small = cutter.shrink(model, half, every_way=False)  # the hidden width goes, too: the graph itself is executed
    assert half.normalised
    assert dict(small.model.named_parameters())["model.layers.0.mlp.experts.down_proj"].shape == (4, 8, 12)
