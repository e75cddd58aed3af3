"""Bits in a recipe: what they may be, and that a recipe without them is what it was."""

import pytest

from prunus.errors import InputError
from prunus.spec import Bits, Recipe, load_study
from prunus.spec.part import digest

STUDY = """
model = "lenet5"
data = "digits"
recipes = ["unstructured", "both"]
rates = [0.5]
seeds = [0]
controls = false
[recipe.both]
like = "unstructured"
bits = { weights = 4, activations = 8, layers = [{ name = "features.*", weights = 2 }] }
"""


def study(tmp_path, text=STUDY):
    (tmp_path / "mine.toml").write_text(text)
    return load_study(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    "bits", [None, {"weights": 32, "activations": 32}, {"weights": 32, "activations": 32, "ignore": ["a"]}]
)
def test_no_bits_at_all_leave_the_recipe_and_its_digest_as_they_were(bits):
    plain = Recipe(name="one", pattern="element")
    same = Recipe(name="one", pattern="element", bits=bits)
    assert same == plain
    assert "bits" not in same.model_dump(mode="json")
    assert digest(same.model_dump(mode="json")) == "f057b92f710c9fb0"


def test_a_recipe_with_bits_is_also_tried_at_rate_0_where_it_quantises_alone(tmp_path):
    trials = study(tmp_path).trials()
    assert [(one.recipe and one.recipe.name, one.rate) for one in trials] == [
        (None, 0.0),
        ("unstructured", 0.5),
        ("both", 0.0),
        ("both", 0.5),
    ]
    assert trials[2].recipe.bits.layers[0].weights == 2
    assert len({one.digest for one in trials}) == 4


def test_the_order_of_layers_is_part_of_a_digest():
    entries = [{"name": "a", "weights": 2}, {"name": "*", "weights": 4}]
    one, other = (Bits(layers=order) for order in (entries, entries[::-1]))
    assert digest(one.model_dump(mode="json")) != digest(other.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("weights = 4", "weights = 1", "'recipe.both.bits.weights' is 1: a precision is a whole number of bits from 2"),
        ("activations = 8", "activations = 33", "'recipe.both.bits.activations' is 33: a precision"),
        ("activations = 8", 'when = "later"', "'recipe.both.bits.when' is 'later': "),
        ("activations = 8", "begin = 1.5", "'recipe.both.bits.begin' is 1.5: "),
        ("weights = 2", "weigths = 2", "'recipe.both.bits.layers.0.weigths' is unknown"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path, old, new, message):
    assert old in STUDY
    with pytest.raises(InputError) as refused:
        study(tmp_path, STUDY.replace(old, new))
    assert message in str(refused.value)
