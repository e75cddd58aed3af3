import pytest

from prunus.errors import InputError
from prunus.spec import builtin_recipes, builtin_studies, load_study

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
        (("rates = [0.5]", "rate = [0.5]"), "'rates' is missing"),
        (("rates = [0.5]", "rates = [0.5, 0.5]"), "stands in it twice"),
        (("unstructured", "unstructurd"), "Did you mean 'unstructured'"),
        (("data =", "dat ="), "'data' is missing"),
        (('"digits"', '"digits"\nsede = 3'), "'sede' is unknown. Did you mean 'seeds'"),
        (('"mlp"', "{ width = 3 }"), "'model.name' is missing"),
    ],
)
def test_mistakes_name_the_key(study_file, change, message):
    path = study_file(MINIMAL.replace(*change))
    with pytest.raises(InputError, match=message) as error:
        load_study(path)
    assert "mine.toml" in str(error.value)


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
