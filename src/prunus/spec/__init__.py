"""What to run: a study, its recipes, training and measurement, as frozen models read from TOML."""

from prunus.spec.controls import Control, Controls
from prunus.spec.load import builtin_recipes, builtin_studies, load_study
from prunus.spec.measurement import Measurement
from prunus.spec.part import Part, part_of
from prunus.spec.plugin import make, spelled_out
from prunus.spec.recipe import Recipe
from prunus.spec.study import Execution, Study
from prunus.spec.training import Training
from prunus.spec.trial import Trial

__all__ = [
    "Control",
    "Controls",
    "Execution",
    "Measurement",
    "Part",
    "Recipe",
    "Study",
    "Training",
    "Trial",
    "builtin_recipes",
    "builtin_studies",
    "load_study",
    "make",
    "part_of",
    "spelled_out",
]
