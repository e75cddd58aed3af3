"""Networks of Hugging Face's transformers, from a folder that `save_pretrained` wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from prunus.errors import InputError, MissingError
from prunus.models.source import ModelSource
from prunus.spec.load import HF
from prunus.system.reading import user_path
from prunus.system.user_code import describe

if TYPE_CHECKING:
    from torch import nn

CONFIGURATION = "config.json"
WEIGHTS = "*.safetensors"


class HuggingFace(ModelSource):
    """The network of a folder: the configuration names its class. No code of the folder is run, nothing is downloaded.

    The folder's weights are for whoever reads them (`prunus.models.without_weights`); what is built has fresh ones.
    """

    folder: str

    @field_validator("folder")
    @classmethod
    def _is_there(cls, folder: str) -> str:
        if not (user_path(folder) / CONFIGURATION).is_file():
            raise InputError(
                f"There is no model '{HF}{folder}'",
                f"{folder} is no folder with a {CONFIGURATION}, and networks are not downloaded",
                "name a folder that save_pretrained wrote",
            )
        return folder

    @property
    def default_input_shape(self) -> tuple[int, ...]:
        """Images of the size in the configuration. Raises `InputError` where it has none."""
        found = self._configuration()
        found = getattr(found, "vision_config", None) or found
        size, channels = getattr(found, "image_size", None), getattr(found, "num_channels", None)
        if not isinstance(channels, int) or not isinstance(size, (int, list, tuple)):
            raise InputError(
                f"The input of the model '{HF}{self.folder}' is not known",
                "its configuration names no size of images",
                "give the shape of an input, or use it in a study, whose data have one",
            )
        return (channels, size, size) if isinstance(size, int) else (channels, *map(int, size))

    @property
    def default_classes(self) -> int:
        """As many as the configuration has labels."""
        return int(self._configuration().num_labels)

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:  # noqa: ARG002  # the folder decides
        """Build the network that the configuration names, in single precision."""
        configuration = self._configuration()
        kind = self._class_in(configuration)
        try:
            model: nn.Module = kind(configuration)
        except Exception as error:  # whatever values that nobody has checked may lead to
            raise self._refused(f"{kind.__name__} fails: {describe(error)}", f"correct its {CONFIGURATION}") from None
        return model.float().train()

    def trained(self) -> nn.Module:
        """The same network with the folder's weights.

        Raises `InputError` where these are no safetensors, or are not all that the network has.
        """
        import torch

        configuration = self._configuration()
        kind = self._class_in(configuration)
        safely = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True}
        try:
            # By its own names, which are not always those of the network.
            model, found = kind.from_pretrained(
                str(user_path(self.folder)),
                config=configuration,
                dtype=torch.float32,
                output_loading_info=True,
                **safely,
            )
        except Exception as error:  # as above
            raise self._refused(describe(error), "write it with save_pretrained") from None
        if misfits := sorted({*map(str, found["missing_keys"]), *map(str, found["mismatched_keys"])}):
            more = f" and {len(misfits) - 1} more" if misfits[1:] else ""
            why = f"its files have no fitting {misfits[0]}{more}, which {kind.__name__} needs"
            raise self._refused(why, "write it with save_pretrained")
        return model.train()  # type: ignore[no-any-return]

    def _class_in(self, configuration: Any) -> Any:
        names = getattr(configuration, "architectures", None) or [""]
        kind = getattr(_transformers(), names[0], None)
        if kind is None:
            why = f"transformers has no class {names[0]!r}" if names[0] else f"its {CONFIGURATION} names no class"
            raise self._refused(why, "write it with save_pretrained")
        return kind

    def _refused(self, why: str, do: str) -> InputError:
        return InputError(f"The model '{HF}{self.folder}' cannot be built", why, do)

    def _configuration(self) -> Any:
        transformers = _transformers()
        try:
            found = transformers.AutoConfig.from_pretrained(
                str(user_path(self.folder)), local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # as above
            what = f"The configuration of the model '{HF}{self.folder}' cannot be read"
            raise InputError(what, describe(error), "write it with save_pretrained") from None
        if getattr(found, "use_pretrained_backbone", False):
            found.use_pretrained_backbone = False  # which would be downloaded
        return found


def folder_of(model: str) -> str | None:
    """The folder that a model's name names: `hf:FOLDER`.

    >>> folder_of("hf:trained/bert"), folder_of("resnet20")
    ('trained/bert', None)
    """
    return model.removeprefix(HF) if model.startswith(HF) else None


def weight_files(folder: str) -> Iterator[Path]:
    """Its configuration and its files of weights."""
    path = user_path(folder)
    yield path / CONFIGURATION
    yield from sorted(path.glob(WEIGHTS))


def _transformers() -> Any:
    try:
        import transformers
    except ImportError:
        do = "run: pip install prunus[transformers]"
        raise MissingError("transformers is not installed", "its networks are optional", do) from None
    return transformers
