"""What is asked of the compression of a file: data that a TOML file can hold, and that repeats it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import Field

from prunus.compress.settings import LARGEST_BYTES, toml_text
from prunus.errors import InputError
from prunus.spec.part import Frozen
from prunus.system.reading import read_whole
from prunus.system.user_code import is_reference


class FileSettings(Frozen):
    """What is asked of the compression of an ONNX file.

    Attributes:
        onnx: the file.
        inputs: an `.npz` file, a folder of them or of images, or file.py:function; None where Python gave them.
        mean, std: what is taken off the pixels of images and what they are divided by, for each channel.
        metric: how agreement with the original is measured; `auto` goes by its outputs.
        keep: how far agreement may fall below 100, in points.
        runtimes: what it is timed on; without any, all that are here.
        threads: of the runtimes.
        pattern: of zeros: `element`, blocks such as `1x4`, or N:M such as `2:4`.
        protect: layers that stay as they are, by name or shell pattern.
        seed: by which inputs are divided.
    """

    onnx: str
    inputs: str | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    metric: str = "auto"
    keep: float = Field(default=1.0, gt=0, lt=100)
    runtimes: tuple[str, ...] = ()
    threads: int = Field(default=1, ge=1)
    pattern: str = "element"
    protect: tuple[str, ...] = ()
    seed: int = Field(default=0, ge=0)

    @classmethod
    def from_toml(cls, path: Path) -> FileSettings:
        """Read what `to_toml` wrote; its files are relative to its folder. Raises `InputError` that names the key."""
        try:
            found = cls(**tomllib.loads(read_whole(path, LARGEST_BYTES).decode()))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
            raise InputError(f"The settings {path} cannot be read", str(error), "check the file") from None
        except InputError as error:
            raise InputError(f"{path} holds no settings of a compression", error.why, error.do) from None
        return found.beside(path.resolve().parent)

    def beside(self, folder: Path) -> FileSettings:
        """With all files named in full that are named relative to a folder."""
        inputs = None if self.inputs is None else _beside(self.inputs, folder)
        metric = _beside(self.metric, folder) if is_reference(self.metric) else self.metric
        return self.model_copy(update={"onnx": _beside(self.onnx, folder), "inputs": inputs, "metric": metric})

    @property
    def code(self) -> tuple[str, ...]:
        """The Python functions that it names."""
        return tuple(each for each in (self.inputs, self.metric) if each and is_reference(each))

    def to_toml(self) -> str:
        """As a file that `prunus compress FILE` reads; what has its default is left out."""
        return toml_text(self.model_dump(mode="json", exclude_defaults=True))


def _beside(text: str, folder: Path) -> str:
    """A file or a reference to a function in one, in full."""
    path, colon, name = text.rpartition(":") if is_reference(text) else (text, "", "")
    return f"{folder / Path(path).expanduser()}{colon}{name}"
