"""Which controls follow from which recipes, and that a study runs and tells them."""

import json

import pytest

from prunus.errors import InputError
from prunus.report.controls import control_name, controls_info
from prunus.report.findings import Findings
from prunus.report.leaderboard import leaderboard_table
from prunus.report.pages import DiscussionPage
from prunus.spec import Part, builtin_recipes, load_study
from prunus.spec.load import parse_study
from prunus.store import read_study
from prunus.sweep.loaded import Loaded
from prunus.sweep.resolve import resolve

STUDY = """
data = "digits"
model = { name = "mlp", hidden = [64] }
rates = [0.25, 0.5]
seeds = [0]
"""


def study(tmp_path, text):
    (tmp_path / "mine.toml").write_text(STUDY + text)
    return load_study(tmp_path / "mine.toml")


def controls(tmp_path, text):
    return {one.recipe.name: one for one in resolve(study(tmp_path, text)).control_recipes}


def test_every_way_of_pruning_has_the_same_by_chance_and_a_dense_network_of_its_cost(tmp_path):
    found = controls(tmp_path, 'recipes = ["element-magnitude", "element-fisher", "element-lamp", "structured"]')
    assert {name: one.of for name, one in found.items()} == {
        "element-magnitude-random": ("element-magnitude", "element-fisher"),
        "element-magnitude-dense": ("element-magnitude", "element-fisher", "element-lamp"),
        "element-magnitude-dense-longer": ("element-magnitude", "element-fisher"),
        "element-lamp-random": ("element-lamp",),
        "element-lamp-dense-longer": ("element-lamp",),
        "structured-random": ("structured",),
        "structured-dense": ("structured",),
        "structured-dense-longer": ("structured",),
    }
    assert all(one.rates == (0.25, 0.5) for one in found.values())
    lamp, dense, channels = (
        found[name].recipe for name in ("element-lamp-random", "element-magnitude-dense", "structured-dense")
    )
    own = builtin_recipes()["element-lamp"]
    assert (lamp.pattern.name, lamp.allocation.name, lamp.criterion.name) == ("element", "lamp", "random")
    assert lamp.schedule.name == own.schedule.name
    assert dense.pattern.name == "channel"
    assert dense.allocation.settings["rate_of"] == "params"
    assert channels.allocation.settings["rate_of"] == "units"
    assert {one.schedule.name for one in (dense, channels)} == {"at_init"}


def test_a_dense_control_comes_to_the_target_of_its_recipe(tmp_path):
    text = '[recipe.mine]\npattern = "nm"\nallocation = { name = "global", macs = 0.5 }\nprotect = ["classifier.0"]'
    dense = controls(tmp_path, text)["mine-dense"].recipe
    assert dense.allocation.name == "uniform"
    assert dense.allocation.settings["macs"] == 0.5
    assert dense.protect == ("output", "classifier.0")


def test_recipes_that_are_controls_already_are_taken_as_such(tmp_path):
    text = 'recipes = ["element-magnitude", "element-random", "element-dense", "channel-magnitude", "channel-dense"]'
    found = controls(tmp_path, text)
    assert {name: one.of for name, one in found.items()} == {
        "element-random": ("element-magnitude",),
        "element-dense": ("element-magnitude",),
        "element-magnitude-dense-longer": ("element-magnitude",),
        "channel-magnitude-random": ("channel-magnitude",),
        "channel-magnitude-dense-longer": ("channel-magnitude",),
        "channel-dense": ("channel-magnitude",),
    }
    loaded = Loaded.of(study(tmp_path, text))
    names = [trial.recipe.name for trial in loaded.trials.values() if trial.recipe and trial.rate == 0.5]
    assert sorted(names) == sorted({*names})  # none is run twice


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("controls = false", set()),
        ("controls = { dense = false, dense_longer = false }", {"unstructured-random", "structured-random"}),
        (
            'controls = { recipes = ["structured"] }',
            {"structured-random", "structured-dense", "structured-dense-longer"},
        ),
    ],
)
def test_what_is_asked_for(tmp_path, asked, names):
    assert set(controls(tmp_path, f'recipes = ["unstructured", "structured"]\n{asked}')) == names


def test_rates_of_controls_are_those_of_the_study_that_are_asked_for(tmp_path):
    found = controls(tmp_path, 'recipes = ["structured"]\ncontrols = { rates = [0.5, 0.75] }')
    assert {one.rates for one in found.values()} == {(0.5,)}


def test_a_name_that_is_taken_is_not_given_twice(tmp_path):
    text = 'recipes = ["structured", "structured-random"]\n[recipe.structured-random]\npattern = "element"'
    assert "structured-random-control" in controls(tmp_path, text)


def test_what_follows_from_controls_cannot_be_set(tmp_path):
    with pytest.raises(InputError, match="'control_recipes' cannot be set"):
        study(tmp_path, 'recipes = ["structured"]\ncontrol_recipes = []')


def test_a_control_that_the_network_cannot_have_is_left_out_with_its_reason(tmp_path):
    # One hidden unit of 64 is more than 0.013 of the parameters.
    loaded = Loaded.of(study(tmp_path, 'recipes = ["unstructured"]\n').model_copy(update={"rates": (0.0, 0.5, 0.987)}))
    dense = next(one for one in loaded.study.control_recipes if one.kind == "dense")
    assert dense.rates == (0.5,)
    assert "At 0.987: The target params = 0.013 cannot be reached" in dense.left_out
    assert sum(trial.recipe == dense.recipe for trial in loaded.trials.values()) == 1


def test_a_study_runs_its_controls_and_the_report_tells_what_they_say(run, tmp_path):
    run(
        ("controls = false", "controls = true"),
        ('"reference-unstructured", ', ""),
        ("epochs = 5", "epochs = 1"),
        ("hidden = [12]", "hidden = [64]"),
    )
    rows = read_study(tmp_path / "out")
    assert all(row.status == "finished" for row in rows.trials)
    findings = Findings(rows)
    kinds = {recipe.name: recipe.control for recipe in findings.recipes}
    assert kinds == {
        "unstructured": None, "structured": None, "unstructured-random": "random", "unstructured-dense": "dense",
        "structured-random": "random", "structured-dense": "dense",
        "unstructured-dense-longer": "dense_longer", "structured-dense-longer": "dense_longer",
    }  # fmt: skip
    assert [recipe.name for recipe in findings.recipes_of("structured")] == ["structured"]
    told = {(one.recipe, one.kind): one for one in controls_info(findings)}
    assert set(told) == {
        (name, kind) for name in ("unstructured", "structured") for kind in ("random", "dense", "dense_longer")
    }
    same = told["structured", "dense"]
    assert same.share == same.control_share  # the same network, pruned before and while training
    assert told["unstructured", "dense"].control_share == pytest.approx(0.5, abs=0.02)
    accuracy = findings.metric_of(findings.cell["structured", 0.5]).mean
    other = findings.metric_of(findings.cell["structured-random", 0.5]).mean
    assert told["structured", "random"].difference.mean == pytest.approx(accuracy - other)
    shown = leaderboard_table(findings)
    assert {row[2]: row[3] for row in shown.rows} == {name: control_name(kind) for name, kind in kinds.items()}
    text = json.dumps([str(block) for block in DiscussionPage().content(findings)])
    assert "Shown to be better than their random control: " in text


def test_a_longer_control_trains_for_as_many_macs_as_its_recipe(tmp_path):
    """By hand: 64 -> 64 -> 10, and half of the hidden units gone leaves 2,368 of 4,736 MACs."""
    loaded = Loaded.of(
        study(tmp_path, 'recipes = ["structured", "unstructured"]\n[training]\nepochs = 10').model_copy(
            update={"rates": (0.0, 0.5)}
        )
    )
    found = {one.recipe.name: one for one in loaded.study.control_recipes}
    # cubic, from epoch 1 to 6: shares of units left after epochs 1 to 10 are 1, 1 - 0.5 (1 - 0.8^3), ...
    gone = [0, 0, *(round(64 * 0.5 * (1 - (1 - step / 5) ** 3)) / 64 for step in range(1, 6)), 0.5, 0.5, 0.5]
    macs = sum(1 - share for share in gone)
    assert found["structured-dense-longer"].epochs == (round(macs / 0.5),)
    # zeros among weights are multiplied: ten epochs of the whole network
    assert found["unstructured-dense-longer"].epochs == (20,)
    assert {t.training.epochs for t in loaded.trials.values() if t.recipe and "longer" not in t.recipe.name} == {10}
    longer = [t for t in loaded.trials.values() if t.recipe and t.recipe.name == "unstructured-dense-longer"]
    assert [t.training.epochs for t in longer] == [20]


def test_a_longer_control_that_is_no_other_or_far_too_long_is_left_out_with_its_reason(tmp_path):
    text = (
        'recipes = ["structured", "early"]\ncontrols = { random = false, dense = false }\n'
        '[recipe.early]\nlike = "structured"\nschedule = "at_init"'
    )
    wide = {"rates": (0.0, 0.5, 0.99), "model": Part(name="mlp", settings={"hidden": [256]})}
    loaded = Loaded.of(study(tmp_path, text).model_copy(update=wide))
    found = {one.recipe.name: one for one in loaded.study.control_recipes}
    assert found["early-dense-longer"].rates == ()
    assert "is no other one" in found["early-dense-longer"].left_out
    assert found["structured-dense-longer"].rates == (0.5,)
    assert "more than 20 times the study's 50" in found["structured-dense-longer"].left_out


def test_a_study_from_before_there_were_longer_controls_has_none_and_its_digest(tmp_path):
    before = resolve(study(tmp_path, 'recipes = ["structured"]\ncontrols = { dense_longer = false }'))
    table = before.model_dump(mode="json")
    assert "dense_longer" not in table["controls"]
    assert all("epochs" not in one for one in table["control_recipes"])
    again = parse_study(table, "here")
    assert (again.controls, again.digest) == (before.controls, before.digest)
    assert resolve(again).control_recipes == before.control_recipes
