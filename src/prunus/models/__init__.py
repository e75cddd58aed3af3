"""Networks by name: built in, of other libraries, or from the user's own functions.

To add one: a frozen class with `build` in a file of its own, and one line here.

What stays out: trained weights. Names build networks with fresh ones, so that a seed says all about them.
"""

from prunus.models.build import build_model, family_names, model_names, model_source, without_weights
from prunus.models.fits import check_fits
from prunus.models.lenet import Lenet5
from prunus.models.mlp import Mlp
from prunus.models.resnet import Resnet20, Resnet56
from prunus.models.source import FAMILIES, MODELS, ModelSource, NamedModel
from prunus.models.timm import Timm
from prunus.models.torchvision import Torchvision
from prunus.models.vgg import Vgg, Vgg11, VggDigits, VggFashion

MODELS.register("vgg11", Vgg11)
MODELS.register("vgg-digits", VggDigits)
MODELS.register("vgg-fashion", VggFashion)
MODELS.register("vgg", Vgg)
MODELS.register("mlp", Mlp)
MODELS.register("lenet5", Lenet5)
MODELS.register("resnet20", Resnet20)
MODELS.register("resnet56", Resnet56)
FAMILIES.register("torchvision", Torchvision)
FAMILIES.register("timm", Timm)

__all__ = [
    "FAMILIES",
    "MODELS",
    "ModelSource",
    "NamedModel",
    "build_model",
    "check_fits",
    "family_names",
    "model_names",
    "model_source",
    "without_weights",
]
