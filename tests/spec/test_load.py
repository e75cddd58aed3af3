from contextlib import suppress

import pytest

from prunus.errors import InputError
from prunus.spec import Part, Recipe, Training, builtin_recipes, builtin_studies, load_study

MINIMAL = """
model = "mlp"
data = "digits"
rates = [0.5]
recipes = ["unstructured"]
"""


@pytest.fixture
def study_file(tmp_path):
    def write(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("name", builtin_studies())
def test_builtin_studies_are_valid_and_named_after_their_file(name):
    study = load_study(name)
    assert study.name == name
    assert study.about


def test_builtin_recipes_include_the_reference_ones():
    recipes = builtin_recipes()
    assert recipes["reference-structured"].protect == ()
    assert recipes["reference-structured"].permanence == "regrow"
    protected = recipes["reference-structured-protected"]
    changed = {"name": protected.name, "about": protected.about, "protect": ("output",)}
    assert recipes["reference-structured"].model_copy(update=changed) == protected


def test_the_grid_of_digits_has_one_unpruned_trial_per_seed():
    trials = load_study("digits").trials()
    assert len(trials) == 3 * (1 + 5 * 4)
    assert [trial.seed for trial in trials if trial.rate == 0] == [0, 1, 2]
    assert len({trial.digest for trial in trials}) == len(trials)


def test_rate_zero_is_always_part_of_a_study(study_file):
    study = load_study(study_file(MINIMAL))
    assert study.rates == (0.0, 0.5)
    assert study.name == "mine"


def test_overrides_reach_into_tables_and_parts(study_file):
    study = load_study(
        study_file(MINIMAL), ["training.epochs=3", "model.width=8", "data=npz", "name=other", "seeds=[7]"]
    )
    assert study.training.epochs == 3
    assert study.model.settings == {"width": 8}
    assert study.data.name == "npz"
    assert (study.name, study.seeds) == ("other", (7,))


def test_own_recipes_may_be_like_a_builtin_one(study_file):
    text = MINIMAL.replace('"unstructured"', '"mine"') + '[recipe.mine]\nlike = "unstructured"\nprotect = []\n'
    recipe = load_study(study_file(text)).recipes[0]
    assert recipe.name == "mine"
    assert recipe.protect == ()
    assert recipe.schedule == builtin_recipes()["unstructured"].schedule


def test_paths_are_relative_to_the_file(study_file, tmp_path):
    text = MINIMAL.replace('"mlp"', '"net.py:build"').replace('"digits"', '{ name = "npz", file = "a.npz" }')
    study = load_study(study_file(text))
    assert study.model.name == f"{tmp_path}/net.py:build"
    assert study.data.settings == {"file": f"{tmp_path}/a.npz"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("rates = [0.5]", "rates = [1.0]"), r"'rates\.0' is 1\.0"),
        (("rates = [0.5]", "rates = [-0.1]"), r"'rates\.0' is -0\.1"),
        (("rates = [0.5]", "rates = [nan]"), "rates"),
        (("rates = [0.5]", "rate = [0.5]"), "'rate' is unknown. Did you mean 'rates'"),
        (("rates = [0.5]", ""), "'rates' is missing"),
        (("rates = [0.5]", "rates = [0.5, 0.5]"), "stands in it twice"),
        (("unstructured", "unstructurd"), "Did you mean 'unstructured'"),
        (("data =", "dat ="), "'dat' is unknown. Did you mean 'data'"),
        (('["unstructured"]', '["unstructured", "unstructured"]'), "'recipes': more than one recipe is called unstr"),
        (('["unstructured"]', '["unstructured", 3]'), r"'recipes\.1' is 3: it is no table"),
        (('["unstructured"]', '"unstructured"'), "'recipes' is a list of names"),
        (('"mlp"', "[3]"), r"'model' is \[3\]: it is no table"),
        (('"mlp"', '{ name = "mlp", hidden = [nan] }'), r"'model\.hidden\.0' is nan: it is no finite number"),
        (('"mlp"', '{ name = "mlp", hidden = 2020-01-01 }'), r"'model\.hidden' is .*: it is no text, number"),
        (('"digits"', '"digits"\nsede = 3'), "'sede' is unknown. Did you mean 'seeds'"),
        (
            ('"digits"', '"digits"\nmetric = { name = "F1" }'),
            "'metric' cannot be set. It is that of the 'task'. Name a",
        ),
        (('"digits"', '"digits"\nepochs = 3'), "'epochs' is unknown. Did you mean 'training.epochs'?"),
        (('"mlp"', "{ width = 3 }"), "'model.name' is missing"),
    ],
)
def test_mistakes_name_the_key(study_file, change, message):
    path = study_file(MINIMAL.replace(*change))
    with pytest.raises(InputError, match=message) as error:
        load_study(path)
    assert "mine.toml" in str(error.value)
    assert "{" not in str(error.value)  # no whole table


@pytest.mark.parametrize("tables", ["[recipe]\nmine = 3\n", "[[recipe]]\nname = 'mine'\n"])
def test_recipes_that_are_no_tables(study_file, tables):
    with pytest.raises(InputError, match=r"\[recipe\.NAME\] a table"):
        load_study(study_file(MINIMAL + tables))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Part(name="cubic", settings={"end": float("nan")}), "No Part .* 'end' is nan: it is no finite number"),
        (lambda: Recipe(name="A B", pattern=Part(name="element")), "No Recipe .* 'name' is 'A B'"),
        (lambda: Recipe(name="a", patern=Part(name="element")), "'patern' is unknown. Did you mean 'pattern'"),
        (lambda: Recipe(name="a", pattern=Part(name="element"), protect="output"), "'protect' is 'output': .* no list"),
        (lambda: Training(epochs=1.5), "'epochs' is 1.5: it is no whole number"),
    ],
)
def test_mistakes_in_code_are_told_as_those_in_a_file(made, message):
    with pytest.raises(InputError, match=message):
        made()


def test_unknown_keys_inside_tables_and_recipes_are_named(study_file):
    with pytest.raises(InputError, match=r"'training\.epoch' is unknown\. Did you mean 'epochs'"):
        load_study(study_file(MINIMAL + "[training]\nepoch = 3\n"))
    text = MINIMAL + '[recipe.unstructured]\npattern = "element"\npermanency = "regrow"\n'
    with pytest.raises(InputError, match=r"'recipe\.unstructured\.permanency' is unknown\. Did you mean 'permanence'"):
        load_study(study_file(text))


@pytest.mark.parametrize("source", ["digist", "nowhere.toml", "."])
def test_no_such_study(source):
    with pytest.raises(InputError):
        load_study(source)


def test_broken_toml_names_the_line(study_file):
    with pytest.raises(InputError, match="line 2"):
        load_study(study_file("\nrates = = 3\n"))


@pytest.mark.parametrize("override", ["epochs", "=3", "rates.x.y=3"])
def test_broken_overrides(study_file, override):
    with pytest.raises(InputError, match="--set"):
        load_study(study_file(MINIMAL), [override])


@pytest.mark.parametrize("value", ["{ a = 1 }", "[1, 2]", "0.5", "true", "1979-05-27", "nan", '["structured"]', "{}"])
@pytest.mark.parametrize("key", ["like", "pattern", "criterion", "schedule", "allocation", "permanence", "about"])
def test_a_value_of_any_other_kind_in_a_recipe_is_one_error(key, value, study_file):
    text = MINIMAL.replace('"unstructured"', '"mine"') + f"[recipe.mine]\n{key} = {value}\n"
    with pytest.raises(InputError, match="is not a study that can be run"):
        load_study(study_file(text))


@pytest.mark.parametrize(
    "value", ["{ a = 1 }", "[1, 2]", "0.5", "true", "1979-05-27", "nan", '["x"]', "[[1]]", '"~no-one/x"']
)
@pytest.mark.parametrize(
    "key",
    ["name", "about", "model", "data", "rates", "recipes", "seeds", "training", "controls", "measurement", "execution",
     "recipe", "training.optimizer", "model.hidden"],
)  # fmt: skip
def test_a_value_of_any_other_kind_in_a_study_is_one_error_or_none(key, value, study_file):
    with suppress(InputError):
        load_study(study_file(MINIMAL), [f"{key}={value}"])


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("My Study.toml", "my-study"),
        ("Prüfung.toml", "prufung"),
        ("研究.toml", "study"),
        ("a" * 90 + ".toml", "a" * 64),
    ],
)
def test_a_study_is_called_after_its_file(file, name, tmp_path):
    (tmp_path / file).write_text(MINIMAL)
    assert load_study(tmp_path / file).name == name


def test_a_name_that_no_folder_can_have_is_refused_in_plain_words(study_file):
    with pytest.raises(InputError, match=r"'name' is 'My Study': a name is of at most 64 small letters"):
        load_study(study_file('name = "My Study"\n' + MINIMAL))


def test_a_number_of_a_thousand_digits_on_the_command_line(study_file):
    for value in ("9" * 5000, "[" * 5000):
        with pytest.raises(InputError):
            load_study(study_file(MINIMAL), [f"rates={value}"])
