"""Suggested rates, worked out by hand, and what they promise."""

import csv
import io
import tomllib
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from prunus.cli.sensitivity import _csv
from prunus.errors import InputError
from prunus.sensitivity.suggestion import Curve, Sensitivity, recipe_toml, suggest
from prunus.spec import Metric, Part


def sensitivity(*curves, rates=(0.5, 0.9), pattern="element"):
    return Sensitivity(
        pattern=pattern,
        criterion="magnitude",
        protect=("output",),
        rates=rates,
        unpruned=1.0,
        inputs=100,
        curves=[Curve(name=name, units=units, values=values) for name, units, values in curves],
    )


def test_both_layers_lose_the_same_accuracy():
    # At a drop of 0.1, `a` reaches 0.5 + 0.4 / 2 = 0.7 and `b` 0.5 * 0.1 / 0.4 = 0.125: 0.4125 of all units.
    found = sensitivity(("a", 100, (1.0, 0.8)), ("b", 100, (0.6, 0.2)))
    suggestion = suggest(found, 0.4125)
    assert suggestion.drop == pytest.approx(0.1)
    assert suggestion.rates == pytest.approx({"a": 0.7, "b": 0.125})


def test_what_costs_nothing_is_taken_in_equal_shares():
    suggestion = suggest(sensitivity(("a", 30, (1.0, 1.0)), ("b", 10, (1.0, 1.0))), 0.45)
    assert suggestion.drop == 0
    assert suggestion.rates == pytest.approx({"a": 0.45, "b": 0.45})


def test_a_layer_that_recovers_counts_as_far_as_it_first_falls():
    found = sensitivity(("a", 10, (0.5, 1.0)), ("b", 10, (1.0, 1.0)))
    assert suggest(found, 0.5).rates == pytest.approx({"a": 0.1, "b": 0.9})


def test_a_rate_beyond_what_was_measured_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"measured up to 0\.9\. Ask for 0\.9 or less"):
        suggest(sensitivity(("a", 10, (0.5, 0.1))), 0.95)


rates = st.lists(st.floats(0, 1), min_size=2, max_size=2).map(tuple)


@given(st.lists(st.tuples(st.integers(1, 1000), rates), min_size=1, max_size=5), st.floats(0.01, 0.9))
def test_the_total_is_met_and_no_layer_alone_falls_further_than_said(layers, rate):
    found = sensitivity(*((f"l{i}", units, accuracies) for i, (units, accuracies) in enumerate(layers)))
    suggestion = suggest(found, rate)
    total = sum(suggestion.rates[curve.name] * curve.units for curve in found.curves)
    assert total == pytest.approx(rate * found.units, rel=1e-6)
    for curve in found.curves:
        points = [(0.0, 1.0), *zip(found.rates, curve.values, strict=True)]
        for (before, higher), (after, lower) in pairwise(points):
            if before <= suggestion.rates[curve.name] <= after:
                share = (suggestion.rates[curve.name] - before) / (after - before)
                assert higher + share * (lower - higher) >= 1 - suggestion.drop - 1e-6


def test_the_recipe_is_toml_whatever_layers_are_called():
    found = sensitivity(('a."b"\\ü', 10, (1.0, 1.0)), pattern=Part(name="nm", settings={"n": None, "m": 4}))
    recipe = tomllib.loads(recipe_toml(found, suggest(found, 0.5)))["recipe"]["by-sensitivity"]
    assert recipe == {
        "pattern": {"name": "nm", "m": 4},
        "criterion": "magnitude",
        "protect": ["output"],
        "allocation": {"name": "by_layer", "rates": {'a."b"\\ü': 0.5}},
    }


@pytest.mark.parametrize("name", ['=HYPERLINK("http://evil.example")', "@SUM(A1)", "+1", "\t=1", "\r=1", "-1"])
def test_no_layer_is_a_formula_of_a_spreadsheet(name):
    found = sensitivity((name, 10, (1.0, 1.0)))
    rows = list(csv.reader(io.StringIO(_csv(found, suggest(found, 0.5)).decode(), newline="")))
    assert len(rows) == 4
    assert not [row for row in rows if row[0].startswith(("=", "@", "+", "-", "\t", "\r"))]


@pytest.mark.parametrize("rate", [-1, 0, 1.0, float("nan"), "half"])
def test_what_is_no_rate_is_refused(rate):
    with pytest.raises(InputError, match="Give 0 < rate < 1"):
        suggest(sensitivity(("a", 10, (1.0, 1.0))), rate)


PERPLEXITY = Metric(name="perplexity", unit="", higher_is_better=False, margin=2, relative=True)


def of_perplexity(*curves):
    return Sensitivity(
        pattern="element",
        criterion="magnitude",
        protect=("output",),
        rates=(0.5, 0.9),
        unpruned=10.0,
        inputs=100,
        curves=[Curve(name=name, units=units, values=values) for name, units, values in curves],
        metric=PERPLEXITY,
    )


def test_where_lower_is_better_every_layer_rises_as_far():
    # At a rise of 2, `a` reaches 0.5 + 0.4 / 2 = 0.7 and `b` 0.5 * 2 / 8 = 0.125: 0.4125 of all units.
    found = of_perplexity(("a", 100, (10.0, 14.0)), ("b", 100, (18.0, 26.0)))
    suggestion = suggest(found, 0.4125)
    assert suggestion.drop == pytest.approx(2)
    assert suggestion.rates == pytest.approx({"a": 0.7, "b": 0.125})
    assert found.highest_rate(found.curves[0], 12.0) == pytest.approx(0.7)
    assert "no layer alone makes the perplexity worse by more than 2." in recipe_toml(found, suggestion)


def test_a_rate_that_leaves_no_number_is_taken_only_where_it_must():
    found = of_perplexity(("a", 100, (12.0, None)), ("b", 100, (11.0, 12.0)))
    assert suggest(found, 0.6).rates["a"] <= 0.5
    beyond = suggest(found, 0.8)
    assert beyond.rates == pytest.approx({"a": 0.7, "b": 0.9})
    assert beyond.drop is None
    assert "some layer alone leaves no finite perplexity" in recipe_toml(found, beyond)


def test_a_file_of_accuracies_is_as_it_was_and_one_of_another_metric_names_it():
    accuracy = sensitivity(("a", 10, (1.0, 0.5)))
    table = accuracy.model_dump(mode="json")
    assert table["curves"] == [{"name": "a", "units": 10, "accuracies": [1.0, 0.5]}]
    assert "metric" not in table
    assert Sensitivity.model_validate(table) == accuracy
    other = of_perplexity(("a", 10, (12.0, None)))
    told = other.model_dump(mode="json")
    assert (told["metric"]["name"], told["curves"][0]["values"]) == ("perplexity", [12.0, None])
    assert Sensitivity.model_validate(told) == other
    head, first, *_ = csv.reader(io.StringIO(_csv(other, suggest(other, 0.4)).decode()))
    assert head[-3:] == ["metric (measured)", "metric name", "metric unit"]
    assert first[-3:] == ["10.0", "perplexity", ""]


def test_accuracies_are_called_values_now():
    with pytest.warns(DeprecationWarning, match=r"Curve\.values"):
        assert Curve(name="a", units=1, accuracies=(0.5,)).accuracies == (0.5,)
