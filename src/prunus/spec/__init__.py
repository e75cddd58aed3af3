"""What to run: a study, its recipes, training and measurement, as frozen models read from TOML.

What stays out: torch, and the parts themselves. A specification has their names and settings; whoever builds one
checks the settings.
"""

from prunus.spec.bits import Bits, LayerBits, bits_of
from prunus.spec.builtin_recipes import builtin_recipes
from prunus.spec.controls import Control, Controls
from prunus.spec.load import builtin_studies, load_study
from prunus.spec.metric import Metric
from prunus.spec.part import Part, make, part_of, spelled_out
from prunus.spec.study import Execution, Measurement, Study
from prunus.spec.trial import Distillation, Recipe, Training, Trial

__all__ = [
    "Bits",
    "Control",
    "Controls",
    "Distillation",
    "Execution",
    "LayerBits",
    "Measurement",
    "Metric",
    "Part",
    "Recipe",
    "Study",
    "Training",
    "Trial",
    "bits_of",
    "builtin_recipes",
    "builtin_studies",
    "load_study",
    "make",
    "part_of",
    "spelled_out",
]
