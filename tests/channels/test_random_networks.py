import sys
from pathlib import Path

import torch
from hypothesis import HealthCheck, given, settings, strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from random_network import SIDE, RandomNetwork, networks

from prunus.channels import plan, shrink
from prunus.coupling import channel_groups, couple_model


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(network=networks(), rate=st.floats(0.1, 0.9), heads=st.sampled_from(["whole", "dimensions"]), data=st.data())
def test_any_units_of_any_network_can_go(network: RandomNetwork, rate: float, heads: str, data: st.DataObject) -> None:
    x = torch.randn(2, 2, SIDE, SIDE)
    coupling = couple_model(network, x)
    groups = channel_groups(coupling, heads=heads)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 1000)))
    keep = {
        g.name: torch.randperm(g.units, generator=generator)[: max(1, round(g.units * (1 - rate)))]
        for g in groups
        if g.protected is None
    }
    result = shrink(network, plan(groups, keep), x, coupling)  # proves that both compute the same
    assert result.deviation < 1e-9
    assert result.model(torch.randn(3, 2, SIDE, SIDE)).shape == (3, 3)
    fewer = sum(p.numel() for p in network.parameters()) - sum(p.numel() for p in result.model.parameters())
    assert keep
    assert (fewer > 0) == any(len(units) < g.units for g in groups for units in [keep.get(g.name, range(g.units))])
