"""Networks of timm, which is not among the packages that prunus needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from prunus.errors import InputError, MissingError
from prunus.models.source import NamedModel

if TYPE_CHECKING:
    from torch import nn

USUAL_SHAPE = (3, 224, 224)


class Timm(NamedModel):
    """A network of timm, `timm:resnet18`; settings go to `create_model`, weights are never loaded."""

    WORDS: ClassVar = frozenset(
        {
            "aa_layer", "act_layer", "attn_layer", "embed_norm_layer", "gate_layer", "mlp_layer", "norm_layer",
            "se_layer", "attn_type", "block_type", "pad_type", "pool_type", "rel_pos_type", "rope_type", "stem_type",
            "downsample", "global_pool", "pos_embed", "weight_init",
            "act_kwargs", "attn_kwargs", "block_kwargs", "drop_kwargs", "mlp_kwargs", "norm_kwargs", "stem_kwargs",
        }
    )  # fmt: skip

    @classmethod
    def architectures(cls) -> tuple[str, ...]:
        """All networks of the installed timm."""
        return tuple(_timm().list_models())

    @property
    def default_input_shape(self) -> tuple[int, ...]:
        """The shape that the network was published for."""
        published = _timm().get_pretrained_cfg(self._checked(), allow_unregistered=True)
        return tuple(published.input_size) if published else USUAL_SHAPE

    @property
    def default_classes(self) -> int:
        """Classes of ImageNet."""
        return 1000

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Build the network for as many channels as the inputs have."""
        name = self._checked()
        settings: dict[str, Any] = {"in_chans": input_shape[0], "num_classes": classes, **self.settings}
        try:
            model: nn.Module = _timm().create_model(name, pretrained=False, **settings)
        except (TypeError, ValueError, AssertionError) as error:
            raise InputError(f"The model 'timm:{name}' cannot be built", str(error), "correct its settings") from None
        return model

    def _checked(self) -> str:
        """The name, which may have a tag of weights behind a dot, if timm knows it."""
        if ":" in self.architecture or not _timm().is_model(self.architecture):  # a colon has timm look elsewhere
            raise self.unknown("timm")
        return self.architecture


def _timm() -> Any:
    try:
        import timm
    except ImportError:
        raise MissingError("timm is not installed", "its networks are optional", "run: pip install timm") from None
    return timm
