import pytest
import torch
from torch import nn

from prunus.compress.judging import Difference, Judged, difference, half_width, judge, of_halves
from prunus.compress.splits import split
from prunus.data import Dataset, Split
from prunus.errors import InputError
from prunus.report.statistics import mean_interval
from prunus.spec import Metric, Part
from prunus.tasks import task_of

ACCURACY = Metric()


def test_the_interval_of_a_mean_is_students():
    values = torch.randn(40, generator=torch.Generator().manual_seed(0)).tolist()
    without = [(sum(values) - value) / 39 for value in values]
    interval = mean_interval(values)
    assert half_width(without) == pytest.approx(interval.high - interval.mean)


def test_every_input_is_judged_once_and_left_out_once():
    inputs, targets = torch.eye(2).repeat(50, 1), torch.arange(100) % 2
    targets[:10] = 1 - targets[:10]
    split = Split(inputs, targets)
    batches = list(zip(inputs.split(1), targets.split(1), strict=True))
    judged = judge(
        nn.Identity(), batches, task_of(Part(name="classification")), Dataset("eye", split, split, ("a", "b"))
    )
    assert judged.value == pytest.approx(0.9)
    assert len(judged.without) == 40
    assert sum(judged.without) / 40 == pytest.approx(0.9, abs=1e-3)


def test_a_difference_is_in_the_unit_shown_and_negative_where_it_is_worse():
    better, worse = Judged(0.9, (0.9, 0.9)), Judged(0.8, (0.8, 0.8))
    assert difference(worse, better, ACCURACY).mean == pytest.approx(-10)
    error = Metric(name="RMSE", unit="°C", higher_is_better=False)
    assert difference(better, worse, error).mean == pytest.approx(-0.1)
    perplexity = Metric(name="perplexity", unit="", higher_is_better=False, relative=True)
    assert difference(Judged(22, ()), Judged(20, ()), perplexity).mean == pytest.approx(-10)


def test_what_is_uncertain_is_not_within_a_margin():
    assert Difference(mean=-0.5, low=-0.9, high=0).is_within(1)
    assert not Difference(mean=-0.5, low=-1.1, high=0).is_within(1)


def test_halves_of_a_coin_differ_by_what_chance_makes_of_them():
    values = (torch.arange(40) % 2).tolist()
    without = tuple((sum(values) - value) / 39 for value in values)
    # Of 40 inputs with a deviation of a half, halves of 20 differ by 0.5 x sqrt(2 / 20) x sqrt(2 / pi).
    assert of_halves(Judged(0.5, without), ACCURACY) == pytest.approx(12.6, rel=0.05)


def data_of(train, test):
    def one(count):
        return Split(torch.zeros(count, 2), torch.zeros(count, dtype=torch.int64))

    return Dataset("zeros", one(train), one(test), ("a", "b"))


def test_inputs_that_choose_are_cut_from_the_training_data():
    data = data_of(1000, 100)
    found = split(data, 0, ACCURACY, 1.0, lambda _: Judged(0.9, ()))
    assert (len(found.data.train), len(found.data.test), len(found.test)) == (700, 300, 100)


def test_half_of_the_test_data_chooses_where_the_network_was_trained_on_all_others():
    data = data_of(1000, 100)
    found = split(data, 0, ACCURACY, 1.0, lambda one: Judged(0.9 if len(one) == 100 else 1.0, ()))
    assert (len(found.data.train), len(found.data.test), len(found.test)) == (1000, 50, 50)
    assert "half of the test data" in found.how
    assert "10 points" in found.how


@pytest.mark.parametrize(("train", "test", "empty"), [(0, 5, "training"), (5, 0, "test")])
def test_an_empty_split_is_refused(train, test, empty):
    with pytest.raises(InputError, match=f"The {empty} data of 'zeros' are empty"):
        split(data_of(train, test), 0, ACCURACY, 1.0, lambda _: Judged(0.9, ()))


def test_a_metric_that_is_no_number_is_refused():
    with pytest.raises(InputError, match=r"accuracy of the unpruned network is nan"):
        split(data_of(10, 10), 0, ACCURACY, 1.0, lambda _: Judged(float("nan"), ()))
