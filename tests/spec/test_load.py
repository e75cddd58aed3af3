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
