"""Cutting in several ways, and what a short training of each tells; and training by steps."""

import math

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from compress.conftest import build
from prunus.compress import finetuning as finetuning_module
from prunus.compress.candidates import Candidate
from prunus.compress.choosing import choosers
from prunus.compress.cutting import CutNetwork, best_of, cut_in_all_ways
from prunus.compress.finetuning import Finetuning
from prunus.compress.goals import Macs
from prunus.compress.settings import FINETUNING
from prunus.errors import InputError
from prunus.prune.evidence import Samples
from prunus.spec import Part
from prunus.tasks import task_of


def quiet(_text):
    """Told to nobody."""


@pytest.fixture
def tuning(trained, data):
    training = FINETUNING.model_copy(update={"batch_size": 100})
    return Finetuning(trained, data, task_of(Part(name="classification")), training, seed=0)


def cuts_of(network, data, share, seconds=60.0):
    at = Candidate(network, data.train.inputs[:2])
    goal = Macs(network, data.train.inputs[:2], at.groups)
    samples = Samples.of([(data.train.inputs[:200], data.train.targets[:200])])
    return at, goal, cut_in_all_ways(at, goal, share * goal.whole, at.worth(samples, 5.0), samples, 3, seconds, quiet)


def test_every_way_keeps_the_budget_and_even_widths_are_even(trained, data):
    at, goal, cuts = cuts_of(trained, data, 0.4)
    ways = choosers(at.groups, at.worth(Samples(), 5.0)[1])
    for chooser in ways.values():
        assert goal.costs.total(chooser(goal.costs, 0.4 * goal.whole)) <= 0.4 * goal.whole
    even = ways["even"](goal.costs, 0.4 * goal.whole)
    shares = {left / one.group.units for one, left in zip(at.groups, even.values(), strict=True)}
    assert len(shares) == 1
    assert len({tuple(one.widths.values()) for one in cuts}) == len(cuts)
    for one in cuts:
        assert one.cost == goal.of(one.network) <= 1.02 * 0.4 * goal.whole


def test_without_time_one_way_within_the_budget_is_found(trained, data):
    _, goal, (only,) = cuts_of(trained, data, 0.4, seconds=0.0)
    assert only.chosen == "by loss"
    assert only.cost <= 1.02 * 0.4 * goal.whole


def test_a_cost_that_cannot_be_had_is_refused_with_the_least(trained, data):
    with pytest.raises(InputError, match="The least is"):
        cuts_of(trained, data, 1e-6)


def test_the_network_that_lost_least_after_a_short_training_is_taken(trained, tuning):
    ruined = build()
    with torch.no_grad():
        for parameter in ruined.parameters():
            parameter.zero_()  # no gradient passes: it stays as it is
    cuts = [CutNetwork(one, {"0": 48}, cost, name) for one, cost, name in ((ruined, 1, "a"), (trained, 2, "b"))]
    found, rate = best_of(cuts, (1e-3,), tuning, 0.5, quiet)
    assert (found.chosen, found.cost, rate) == ("b", 2, 1e-3)
    assert found.compared > 0


@pytest.mark.parametrize("rates", [(1e-12, 3e-2), (3e-2, 1e-12), (3e-2, 1e30)])
def test_the_learning_rate_that_lost_least_is_taken(tuning, rates):
    untrained = CutNetwork(build(), {"0": 48}, 1, "even")
    _, rate = best_of([untrained], rates, tuning, 1.0, quiet)
    assert rate == 3e-2


def test_one_way_or_no_time_leaves_nothing_to_compare(trained, tuning):
    cuts = [CutNetwork(trained, {"0": 48}, 1, name) for name in ("a", "b")]
    assert best_of(cuts[:1], (1e-3,), tuning, 5.0, quiet) == (cuts[0], 1e-3)
    assert best_of(cuts, (1e-3, 3e-3), tuning, -1.0, quiet) == (cuts[0], 1e-3)


def test_where_all_trainings_diverge_the_first_is_taken(trained, tuning):
    with torch.no_grad():
        broken = [build() for _ in range(2)]
        for one in broken:
            one[0].weight.fill_(math.nan)
    cuts = [CutNetwork(one, {"0": 48}, 1, "even") for one in broken]
    assert best_of(cuts, (1e-3, 3e-3), tuning, 0.1, quiet) == (cuts[0], 1e-3)


def test_a_training_of_less_than_an_epoch_goes_through_its_whole_schedule(tuning):
    rates = []

    hook = register_optimizer_step_pre_hook(lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"]))
    try:
        tuning.run(build(), 1 / 3)  # 4 of the 12 batches of an epoch
    finally:
        hook.remove()
    assert rates == pytest.approx([1e-3 * share for share in (1, 0.8536, 0.5, 0.1464)], abs=1e-7)


def test_a_training_of_two_and_a_half_epochs_goes_on_with_the_same_bits(tuning, tmp_path, monkeypatch):
    monkeypatch.setattr(finetuning_module, "CHECKPOINT_SECONDS", 0.0)

    def start():
        torch.manual_seed(1)
        return build()

    whole = tuning.run(start(), 2.5)
    file = tmp_path / "checkpoint.safetensors"

    def interrupt(state):
        if state.done == 2:
            raise KeyboardInterrupt
        return True

    with pytest.raises(KeyboardInterrupt):
        tuning.run(start(), 2.5, file, "key", interrupt)
    again = tuning.run(start(), 2.5, file, "key")
    assert all(torch.equal(*pair) for pair in zip(whole.parameters(), again.parameters(), strict=True))
