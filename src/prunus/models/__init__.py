"""Networks by name: built in, of other libraries, or from the user's own functions.

To add one: a frozen class with `build` in a file of its own, and one line here.
"""

from prunus.models.build import build_model, family_names, model_names, model_source
from prunus.models.source import FAMILIES, MODELS, ModelSource, NamedModel
from prunus.models.vgg import Vgg, Vgg11, VggDigits, VggFashion

MODELS.register("vgg11", Vgg11)
MODELS.register("vgg-digits", VggDigits)
MODELS.register("vgg-fashion", VggFashion)
MODELS.register("vgg", Vgg)

__all__ = [
    "FAMILIES",
    "MODELS",
    "ModelSource",
    "NamedModel",
    "build_model",
    "family_names",
    "model_names",
    "model_source",
]
