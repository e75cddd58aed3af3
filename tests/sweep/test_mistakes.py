"""What cannot work in a study is one clear error before anything is trained."""

import pytest

from prunus.errors import InputError
from prunus.spec import load_study
from prunus.sweep.loaded import Loaded

STUDY = """
data = "digits"
model = { name = "mlp", hidden = [12] }
rates = [0.5]
seeds = [0]
recipes = ["own"]
controls = false

[recipe.own]
pattern = { name = "element" }
criterion = { name = "magnitude" }
allocation = { name = "uniform" }
schedule = { name = "one_shot" }

[training]
epochs = 4
"""


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("recipe.own.criterion.name=magnitud", "no criterion 'magnitud'. Did you mean 'magnitude'"),
        ("recipe.own.pattern.name=elemnt", "no pattern 'elemnt'. Did you mean 'element'"),
        ("recipe.own.allocation.name=globl", "no allocation 'globl'. Did you mean 'global'"),
        ("recipe.own.schedule.name=cubc", "no schedule 'cubc'. Did you mean 'cubic'"),
        ('measurement.runtimes=["onxruntime"]', "no runtime 'onxruntime'. Did you mean 'onnxruntime'"),
        ("recipe.own.allocation.mac=0.5", "no setting 'mac'. Did you mean 'macs'"),
        (
            'recipe.own.pattern={name = "nm", m = 5}',
            r"'\S+' cannot be pruned in groups of 5.*5 does not divide.*protect",
        ),
        ("recipe.own.allocation.macs=0.001", r"macs = 0\.001 cannot be reached.*nearest.*0\.\d+"),
        ('recipe.own.schedule={name = "iterative", steps = 9}', "ends after the training.*has 4.*or more"),
        ("recipe.own.criterion.name=bn_scale", "not defined for the pattern 'element'.*another criterion"),
        ('recipe.own.protect=["outptu"]', "^Recipe 'own': .*'outptu' is not in the network.*Did you mean 'output'"),
        ('recipe.own.allocation={name = "global", floor = 2}', "^Recipe 'own': .*'global' cannot.* floor = 2"),
        ('recipe.own={pattern = {name = "nm", n = 1, m = 2}, allocation = "global"}', "1:2 cannot be had where layers"),
        ('recipe.own.allocation={name = "by_layer", rates = {a = 0.5}}', "'own'.*a rate for 'a'.*Known: 1"),
        ('recipe.own.allocation={name = "uniform", macs = 0.5, params = 0.5}', "One target at most: params, macs"),
        ('recipe.own.schedule={name = "at_init", steps = true}', "'own'.*steps = True.*true or false"),
        ('controls={recipes=["owm"]}', "names 'owm'.*Did you mean 'own'"),
    ],
)
def test_a_mistake_is_told_before_anything_is_trained(tmp_path, override, message):
    path = tmp_path / "own.toml"
    path.write_text(STUDY)
    with pytest.raises(InputError, match=message):
        Loaded.of(load_study(path, [override]))
