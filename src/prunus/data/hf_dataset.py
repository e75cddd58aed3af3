"""Folders that `save_to_disk` of Hugging Face's `datasets` wrote: Arrow files, which run no code when they are read."""

from __future__ import annotations

from importlib.util import find_spec
from io import BytesIO
from typing import Any

from pydantic import Field

from prunus.data.dataset import Dataset, DataSource
from prunus.data.image_folder import Pixels, read_image
from prunus.errors import InputError, MissingError, nearest
from prunus.system.memory import half_of_memory
from prunus.system.reading import user_path
from prunus.system.user_code import describe


class HfDataset(DataSource):
    """A folder that `save_to_disk` of Hugging Face's `datasets` wrote, whose samples are read while training.

    inputs: the column that the network takes, or several, which it takes by name. targets: the column of the targets.
    train, test, validation: the names of the splits. size: height and width, to which images are scaled. grey: one
    channel instead of red, green and blue. workers: processes that read samples; 0 for the training's own.
    """

    folder: str
    inputs: str | tuple[str, ...] = "image"
    targets: str = "label"
    train: str = "train"
    test: str = "test"
    validation: str | None = None
    size: tuple[Pixels, Pixels] | None = None
    grey: bool = False
    workers: int = Field(default=0, ge=0)

    def load(self) -> Dataset:
        """Open the folder; nothing of it is brought into memory. Raises `MissingError` without the library."""
        from prunus.data.stream import Stream

        opened = self._opened()
        named = {"training": self.train, "test": self.test, "validation": self.validation}
        streams = {
            part: Stream(self._rows(opened, split), part, workers=self.workers)
            for part, split in named.items()
            if split
        }
        classes = getattr(opened[self.train].features[self.targets], "names", None) or ()
        return Dataset(
            user_path(self.folder).name,
            streams["training"],
            streams["test"],
            tuple(map(str, classes)),
            validation=streams.get("validation"),
        )

    def _opened(self) -> Any:
        if find_spec("datasets") is None:
            raise MissingError(
                f"The folder {self.folder} cannot be opened",
                "the package 'datasets' is not installed",
                "run: pip install prunus[datasets]",
            )
        from datasets import load_from_disk

        folder = user_path(self.folder)
        try:
            opened = load_from_disk(str(folder), keep_in_memory=False)
        except FileNotFoundError as error:
            raise MissingError(f"There is no data set in {folder}", str(error), "save one with save_to_disk") from None
        except Exception as error:  # a damaged folder fails in many ways inside the library
            what = f"The data set in {folder} cannot be read"
            raise InputError(what, describe(error), "save it again with save_to_disk") from None
        if not hasattr(opened, "keys"):
            raise InputError(
                f"The data set in {folder} is not divided",
                "training and test data are wanted, and it is one table",
                "call train_test_split() before save_to_disk()",
            )
        return opened

    def _rows(self, opened: Any, split: str) -> Rows:
        if split not in opened:
            raise InputError(f"The data set in {self.folder} has no split {split!r}", "", nearest(split, opened))
        table = opened[split]
        columns = (self.inputs,) if isinstance(self.inputs, str) else self.inputs
        for column in (*columns, self.targets):
            if column not in table.column_names:
                what = f"The split {split!r} in {self.folder} has no column {column!r}"
                raise InputError(what, "", nearest(column, table.column_names))
        return Rows(table.select_columns([*columns, self.targets]), self)


class Rows:
    """The rows of a table as samples, a map-style Dataset."""

    def __init__(self, table: Any, settings: HfDataset) -> None:
        from datasets import Image

        self.settings = settings
        self.images = [name for name, feature in table.features.items() if isinstance(feature, Image)]
        for name in self.images:  # which the library would open in whatever format they are
            table = table.cast_column(name, Image(decode=False))
        self.table = table.with_format("torch", columns=[n for n in table.column_names if n not in self.images])
        self.pictures = table.select_columns(self.images) if self.images else None

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        row = dict(self.table[index])
        if self.pictures is not None:
            row |= {name: self._pixels(value, name, index) for name, value in self.pictures[index].items()}
        inputs = self.settings.inputs
        chosen = row[inputs] if isinstance(inputs, str) else {name: row[name] for name in inputs}
        return chosen, row[self.settings.targets]

    def _pixels(self, stored: Any, column: str, index: int) -> Any:
        name = f"in row {index} of the column {column!r} of {self.settings.folder}"
        if not stored or stored.get("bytes") is None:
            raise InputError(
                f"The image {name} cannot be read",
                "the folder does not hold it, only its path",
                "save it with its bytes",
            )
        source, settings = BytesIO(stored["bytes"]), self.settings
        return read_image(source, name, settings.size, settings.grey, half_of_memory()).float().div_(255)
