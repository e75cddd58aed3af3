"""Images in folders named after their classes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from prunus.data.dataset import Dataset, Split
from prunus.data.source import DataSource
from prunus.errors import InputError, MissingError
from prunus.memory import half_of_memory
from prunus.reading import refuse_device

if TYPE_CHECKING:
    from torch import Tensor


FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "PPM")
"""What a file may hold, whatever it is called: for some others Pillow starts programs."""

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm")
Pixels = Annotated[int, Field(ge=1)]


class ImageFolder(DataSource):
    """Images in `folder/train/CLASS/` and `folder/test/CLASS/`, held as uint8 (n, channels, height, width).

    size: height and width, to which every image is scaled (bilinear); without it all must already have one size.
    grey: one channel instead of red, green and blue.
    """

    folder: str
    size: tuple[Pixels, Pixels] | None = None
    grey: bool = False

    def load(self) -> Dataset:
        """Bring the data into memory."""
        train, test = (self._classes(part) for part in ("train", "test"))
        if train != test:
            odd = sorted(set(train) ^ set(test))
            raise InputError(
                f"The folders train and test of {self.folder} differ in their classes",
                f"only one of them has {', '.join(odd)}",
                "give both the same folders",
            )
        if not train:
            raise InputError(f"The folder {self.folder}/train has no folder in it", "each class is one", "make them")
        return Dataset(Path(self.folder).name, self._read("train", train), self._read("test", test), train)

    def _classes(self, part: str) -> tuple[str, ...]:
        folder = Path(self.folder).expanduser() / part
        if not folder.is_dir():
            raise MissingError(f"The folder {folder} does not exist", "", "put images into train/CLASS and test/CLASS")
        return tuple(sorted(each.name for each in folder.iterdir() if each.is_dir() and each.name[0] != "."))

    def _read(self, part: str, classes: tuple[str, ...]) -> Split:
        import torch

        room_bytes = half_of_memory()
        images: list[Tensor] = []
        targets: list[int] = []
        for index, name in enumerate(classes):
            files = self._files(Path(self.folder).expanduser() / part / name)
            for file in files:
                images.append(self._image(file, room_bytes))
                room_bytes -= images[-1].numel()
            targets += [index] * len(files)
            for file, image in zip(files, images[-len(files) :], strict=True):
                if image.shape != images[0].shape:
                    sizes = f"{tuple(image.shape[1:])}, others {tuple(images[0].shape[1:])}"
                    raise InputError(f"The image {file} has another size", f"it has {sizes}", "give the setting 'size'")
        return Split(torch.stack(images), torch.tensor(targets))

    def _files(self, folder: Path) -> list[Path]:
        files = sorted(each for each in folder.iterdir() if each.suffix.lower() in ENDINGS)
        if not files:
            raise InputError(f"The folder {folder} has no image in it", f"looked for {', '.join(ENDINGS)}", "add some")
        return files

    def _image(self, file: Path, room_bytes: int) -> Tensor:
        """The pixels. A file of a few kilobytes can declare any number of them, so that is asked first."""
        from PIL import Image
        from torchvision.transforms.functional import pil_to_tensor

        try:
            refuse_device(file)
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                opened = Image.open(file, formats=FORMATS)
            with opened:
                width, height = opened.size
                if width * height * (1 if self.grey else 3) > room_bytes:
                    raise ValueError(f"with its {width:,} x {height:,} pixels the images take over half of the memory")
                image = opened.convert("L" if self.grey else "RGB")
        except (
            OSError,
            ValueError,
            SyntaxError,
            Image.DecompressionBombError,
            Image.DecompressionBombWarning,
        ) as error:
            raise InputError(f"The image {file} cannot be read", str(error), "replace or remove it") from None
        if self.size is not None:
            image = image.resize((self.size[1], self.size[0]), Image.Resampling.BILINEAR)
        tensor: Tensor = pil_to_tensor(image)
        return tensor
