"""One suite over every registered criterion, pattern, allocation and schedule: a new one is tested unasked."""

import copy

import pytest
import torch
from torch import nn

from prunus.errors import InputError
from prunus.prune import ALLOCATIONS, PATTERNS, SCHEDULES, prunable_layers
from prunus.prune.criteria import CRITERIA
from prunus.prune.criteria.scoring import check_defined, gather, gatherings, unit_scores
from prunus.prune.evidence import EVIDENCE, Samples
from prunus.spec import Part, make

RATES = [0.0, 0.2, 0.5, 0.8, 0.999]


def part(registry, name):
    return make(registry, Part(name=name))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 5)
    )


INPUTS = torch.zeros(2, 4, 4, 4)
SETTINGS = {"nm": {"m": 2}, "block": {"rows": 4, "columns": 5}}


def unit_sets(name, model, protected=frozenset({"5"})):
    pattern = make(PATTERNS, Part(name=name, settings=SETTINGS.get(name, {})))
    return pattern.unit_sets(model, INPUTS, prunable_layers(model, INPUTS), protected)


def normalised():
    """A network with all that a criterion may read: data that differ, norms with scales, a layer after each."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
        nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(32, 5),
    )  # fmt: skip
    for norm in (network[1], network[4]):
        nn.init.uniform_(norm.weight, -1, 1)
    return network


SAMPLES = Samples(
    tuple((torch.randn(8, 4, 4, 4, generator=torch.Generator().manual_seed(i)), torch.arange(8) % 5) for i in range(2))
)


def train(model, gatherings):
    """Two steps of a copy of the network; what gathers meanwhile sees them."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for inputs, targets in SAMPLES.batches:
        for one in gatherings:
            one.before_gradients()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
        for one in gatherings:
            one.after_step()


def gathered_while_training(criterion, model, sets):
    trained = copy.deepcopy(model)
    found = gatherings(criterion, trained, sets)
    train(trained, found.values())
    return {kind: gathering.found() for kind, gathering in found.items()}


def scores_of(criterion, pattern, model):
    sets = unit_sets(pattern, model, frozenset({"7"}))
    gathered = gather(criterion, model, sets, SAMPLES, gathered_while_training(criterion, model, sets))
    draws = torch.Generator().manual_seed(3)
    return sets, [unit_scores(criterion, model, one, gathered, draws) for one in sets]


@pytest.mark.parametrize("name", CRITERIA.names())
class TestCriterion:
    @pytest.mark.parametrize("pattern", PATTERNS.names())
    def test_one_finite_number_per_unit_the_same_each_time_and_the_model_as_it_was(self, name, pattern):
        model, criterion = normalised(), part(CRITERIA, name)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        if criterion.patterns and pattern not in criterion.patterns:
            with pytest.raises(InputError, match=f"'{name}' is not defined for the pattern '{pattern}'"):
                check_defined(name, criterion, pattern, ())
            return
        sets, scores = scores_of(criterion, pattern, model)
        check_defined(name, criterion, pattern, sets)
        for one, score in zip(sets, scores, strict=True):
            assert score.shape == (one.units,)
            assert score.isfinite().all()
            assert not score.requires_grad
        assert len({float(value) for score in scores for value in score}) > 2
        assert model.training
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
        assert all(parameter.grad is None for parameter in model.parameters())
        assert not any(module._forward_pre_hooks for module in model.modules())
        for first, second in zip(scores, scores_of(criterion, pattern, model)[1], strict=True):
            assert torch.equal(first, second)

    def test_a_layer_of_zeros_is_scored_too(self, name):
        model, criterion = normalised(), part(CRITERIA, name)
        with torch.no_grad():
            for parameter in model[3].parameters():
                parameter.zero_()
        pattern = (criterion.patterns or ("element",))[-1]
        if "movement" in criterion.needs:  # of which zeros have none, whatever their gradient
            with pytest.raises(InputError, match=r"The movement of '\d\.weight' is not known"):
                scores_of(criterion, pattern, model)
            return
        assert all(score.isfinite().all() for score in scores_of(criterion, pattern, model)[1])


@pytest.mark.parametrize("kind", [name for name in EVIDENCE if EVIDENCE.get(name).while_training])
class TestGathering:
    NAMES = ("3.weight", "7.weight")

    def begun(self, kind, model):
        return EVIDENCE.get(kind).while_training(model, self.NAMES)

    def test_it_says_what_it_has_not_seen_and_what_it_has(self, kind):
        model = normalised()
        gathering = self.begun(kind, model)
        with pytest.raises(InputError, match=r"'3\.weight'"):
            gathering.found()
        shapes = {key: value.shape for key, value in gathering.state.items()}
        train(model, [gathering])
        assert {name: value.shape for name, value in gathering.found().items()} == {
            name: model.get_parameter(name).shape for name in self.NAMES
        }
        assert {key: value.shape for key, value in gathering.state.items()} == shapes

    def test_it_goes_on_from_its_state(self, kind):
        model = normalised()
        first = self.begun(kind, model)
        train(model, [first])
        again = copy.deepcopy(model)  # with whatever watches it
        second = self.begun(kind, again)
        second.state.update({key: value.clone() for key, value in first.state.items()})
        train(model, [first])
        train(again, [second])
        assert all(torch.equal(value, second.state[key]) for key, value in first.state.items())

    def test_evaluations_do_not_count_and_a_network_that_is_left_is_as_it_was(self, kind):
        model = normalised()
        gathering = self.begun(kind, model)
        train(model, [gathering])
        before = copy.deepcopy(gathering.state)
        model.eval()(SAMPLES.batches[0][0])
        gathering.stop()
        model.train()(SAMPLES.batches[0][0])
        assert all(torch.equal(value, before[key]) for key, value in gathering.state.items())
        assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())


SETTINGS_OF_PARTS = [
    (registry, name, key)
    for registry in (CRITERIA, PATTERNS, ALLOCATIONS, SCHEDULES)
    for name in registry.names()
    for key in registry.get(name).model_fields
]


@pytest.mark.parametrize(("registry", "name", "key"), SETTINGS_OF_PARTS, ids=lambda one: getattr(one, "kind", one))
def test_settings_of_a_wrong_type_or_out_of_range_are_one_clear_sentence(registry, name, key):
    wrong = [-1, "x", True, [0.5], {"a": "b"}, -1e300]
    if key == "runtime":  # checked where runtimes are known
        wrong = [-1, True, [0.5]]
    if key == "outputs":  # any name and any place may be one, as long as no network is known
        wrong = [True, [0.5], {"a": "b"}, -1e300]
    if registry.get(name).model_fields[key].annotation is bool:
        wrong.remove(True)
    for value in wrong:
        with pytest.raises(InputError) as error:
            make(registry, Part(name=name, settings={key: value}))
        assert f"The {registry.kind} '{name}' cannot be used with {key}" in str(error.value), str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=f"has no setting '{key}s'. Did you mean '{key}'"):
        make(registry, Part(name=name, settings={f"{key}s": 1}))


@pytest.mark.parametrize("name", PATTERNS.names())
class TestPattern:
    def test_every_unit_is_scored_and_masked_in_the_parameters_shapes(self, name, model):
        sets = unit_sets(name, model)
        assert sets
        for one in sets:
            assert one.units > 0
            assert one.scored
            for parameter, arrange in one.scored.items():
                assert arrange(model.get_parameter(parameter)).shape[0] == one.units
            for parameter, spread in one.masked.items():
                everything = spread(torch.ones(one.units, dtype=torch.bool))
                assert everything.shape == model.get_parameter(parameter).shape
                assert everything.dtype == torch.bool
                assert everything.all()

    def test_protected_layers_keep_their_rows(self, name, model):
        for one in unit_sets(name, model):
            for parameter, spread in one.masked.items():
                mask = spread(torch.zeros(one.units, dtype=torch.bool))
                if parameter == "5.weight":
                    assert name == "channel"  # its inputs may go with the channels that feed it
                assert parameter != "5.bias"
                assert not mask.any() or parameter in ("2.weight", "5.weight")

    def test_removing_a_unit_hits_what_was_scored(self, name, model):
        one = unit_sets(name, model)[0]
        keep = torch.ones(one.units, dtype=torch.bool)
        keep[0] = False
        for parameter, arrange in one.scored.items():
            gone = arrange(~one.masked[parameter](keep))
            assert gone[0].all()
            assert not gone[1:].any()


@pytest.mark.parametrize("name", ALLOCATIONS.names())
class TestAllocation:
    @pytest.mark.parametrize("rate", RATES)
    def test_exact_total_and_nothing_emptied_even_under_ties(self, name, rate, model):
        sets = unit_sets("element", model)
        for make_scores in (torch.rand, torch.zeros):
            counts = part(ALLOCATIONS, name).counts(sets, [make_scores(one.units) for one in sets], rate)
            assert len(counts) == len(sets)
            assert all(0 <= count < one.units for count, one in zip(counts, sets, strict=True))
            if rate <= 0.8:
                assert abs(sum(counts) - rate * sum(one.units for one in sets)) <= len(sets)

    def test_layers_of_one_unit_are_never_emptied(self, name):
        tiny = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 4))
        inputs = torch.zeros(1, 1)
        sets = part(PATTERNS, "row").unit_sets(tiny, inputs, prunable_layers(tiny, inputs), frozenset({"1"}))
        assert part(ALLOCATIONS, name).counts(sets, [torch.zeros(1)], 0.9) == [0]


@pytest.mark.parametrize("name", SCHEDULES.names())
class TestSchedule:
    @pytest.mark.parametrize("epochs", [1, 2, 3, 10, 50])
    def test_shares_grow_to_one(self, name, epochs):
        schedule = part(SCHEDULES, name)
        try:
            events = schedule.events(0.8, epochs)
        except InputError:
            assert epochs < 20  # a schedule may need some room
            return
        assert events == tuple(sorted(events, key=lambda event: (event.epoch, event.rate)))
        assert events[-1].rate == 0.8
        assert events[0].rate > 0
        assert all(0 <= event.epoch <= epochs for event in events)
        assert all(event.rewind_to is None or event.rewind_to < event.epoch for event in events)
        assert events == schedule.events(0.8, epochs)
        for epoch in range(1, epochs + 1):
            place, length = schedule.learning_rate_place(epoch, epochs)
            assert 1 <= place <= length <= epochs
