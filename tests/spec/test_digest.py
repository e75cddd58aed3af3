import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from prunus.registry import Registry
from prunus.spec import Part, Study, Trial, builtin_recipes, load_study, make, spelled_out
from prunus.spec.part import Frozen, canonical_json, digest

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values))
def test_digest_does_not_depend_on_the_order_of_keys(value):
    assert digest(value) == digest(dict(reversed(value.items())))


def test_canonical_json_refuses_nan():
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json(float("nan"))


def test_a_study_read_back_from_json_is_the_same():
    study = load_study("digits")
    again = Study.model_validate_json(study.model_dump_json())
    assert again == study
    assert again.digest == study.digest


def test_the_way_a_study_is_carried_out_does_not_change_its_digest():
    assert load_study("digits", ["execution.workers=7"]).digest == load_study("digits").digest
    assert load_study("digits", ["training.epochs=7"]).digest != load_study("digits").digest
    assert load_study("digits", ["measurement.rounds=77"]).digest != load_study("digits").digest


def test_measuring_differently_does_not_make_other_trials():
    before, after = load_study("digits").trials(), load_study("digits", ["measurement.rounds=77"]).trials()
    assert [trial.digest for trial in before] == [trial.digest for trial in after]


def test_a_trial_has_a_recipe_exactly_when_it_prunes():
    trial = load_study("digits").trials()[0]
    with pytest.raises(ValidationError, match="exactly when"):
        Trial.model_validate({**trial.model_dump(), "rate": 0.5})
    with pytest.raises(ValidationError, match="exactly when"):
        Trial.model_validate({**trial.model_dump(), "recipe": builtin_recipes()["structured"]})


class Jam(Frozen):
    sugar: float = 0.5


def test_digest_of_a_spelled_out_part_covers_defaults():
    registry = Registry[type[Jam]]("jam")
    registry.register("plum", Jam)
    assert spelled_out(registry, Part(name="plum")) == Part(name="plum", settings={"sugar": 0.5})
    assert make(registry, Part(name="plum", settings={"sugar": 0.25})) == Jam(sugar=0.25)
