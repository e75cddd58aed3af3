"""Classifiers of torchvision."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from prunus.errors import InputError
from prunus.models.source import NamedModel

if TYPE_CHECKING:
    from torch import nn

USUAL_SIDE = 224  # pixels
SIDES = {"inception_v3": 299}
WITHOUT_SIDE_OUTPUTS = {  # their training output is else a tuple, and their own initialisation takes half a minute
    "googlenet": {"aux_logits": False, "init_weights": False},
    "inception_v3": {"aux_logits": False, "init_weights": False},
}


class Torchvision(NamedModel):
    """A classifier of torchvision, `torchvision:resnet18`; settings go to its builder, weights are never loaded."""

    @classmethod
    def architectures(cls) -> tuple[str, ...]:
        """All classifiers of the installed torchvision."""
        models = _models()
        return tuple(models.list_models(module=models))

    @property
    def default_input_shape(self) -> tuple[int, ...]:
        """The size of ImageNet's images that the network was published for."""
        side = SIDES.get(self.architecture, USUAL_SIDE)
        if "image_size" in self.settings:
            side = int(str(self.settings["image_size"]))
        return (3, side, side)

    @property
    def default_classes(self) -> int:
        """Classes of ImageNet."""
        return 1000

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:  # noqa: ARG002
        """Build the network; its input shape is its own affair."""
        name = f"torchvision:{self.architecture}"
        if self.architecture not in self.architectures():
            raise self.unknown("torchvision")
        settings = WITHOUT_SIDE_OUTPUTS.get(self.architecture, {}) | self.settings
        try:
            model: nn.Module = _models().get_model(self.architecture, weights=None, num_classes=classes, **settings)
        except (TypeError, ValueError, AssertionError) as error:
            raise InputError(f"The model {name!r} cannot be built", str(error), "correct its settings") from None
        return model


def _models() -> Any:
    """torchvision's models; it is imported only when one of them is wanted."""
    return importlib.import_module("torchvision.models")
