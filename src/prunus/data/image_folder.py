"""Images in folders named after their classes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from prunus.data.dataset import Dataset, DataSource, Split
from prunus.errors import InputError, MissingError
from prunus.system.memory import half_of_memory
from prunus.system.quiet import quiet
from prunus.system.reading import refuse_device, user_path

if TYPE_CHECKING:
    from torch import Tensor


FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "PPM")
"""What a file may hold, whatever it is called: for some others Pillow starts programs."""

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm")
PARTS = {"train": "training", "test": "test"}
Pixels = Annotated[int, Field(ge=1)]


class ImageFolder(DataSource):
    """Images in `folder/train/CLASS/` and `folder/test/CLASS/`, held as uint8 (n, channels, height, width).

    size: height and width, to which every image is scaled (bilinear); without it all must already have one size.
    grey: one channel instead of red, green and blue.
    stream: images stay on the disk and are read while training, so that there may be more than memory holds.
    workers: processes that read them; 0 for the training's own.
    """

    folder: str
    size: tuple[Pixels, Pixels] | None = None
    grey: bool = False
    stream: bool = False
    workers: int = Field(default=0, ge=0)

    @model_serializer(mode="wrap")
    def _as_before_it_existed(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Images in memory have the digest that they had when there was nothing else."""
        return {key: value for key, value in handler(self).items() if key not in ("stream", "workers") or value}

    def load(self) -> Dataset:
        """Bring the data into memory, or find them."""
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
        if self.stream:
            from prunus.data.stream import Stream

            found = {part: Stream(self._found(part, train), name, workers=self.workers) for part, name in PARTS.items()}
            return Dataset(Path(self.folder).name, found["train"], found["test"], train)
        room_bytes = half_of_memory()
        first = self._read("train", train, room_bytes)
        second = self._read("test", test, room_bytes - first.inputs.numel())
        return Dataset(Path(self.folder).name, first, second, train)

    def _classes(self, part: str) -> tuple[str, ...]:
        folder = user_path(self.folder) / part
        if not folder.is_dir():
            raise MissingError(f"The folder {folder} does not exist", "", "put images into train/CLASS and test/CLASS")
        return tuple(sorted(each.name for each in folder.iterdir() if each.is_dir() and each.name[0] != "."))

    def _found(self, part: str, classes: tuple[str, ...]) -> ImageFiles:
        folders = enumerate(user_path(self.folder) / part / name for name in classes)
        files = [(file, index) for index, folder in folders for file in self._files(folder)]
        return ImageFiles(files, self.size, self.grey)

    def _read(self, part: str, classes: tuple[str, ...], room_bytes: int) -> Split:
        import torch

        images: list[Tensor] = []
        targets: list[int] = []
        for index, name in enumerate(classes):
            files = self._files(user_path(self.folder) / part / name)
            for file in files:
                images.append(read_image(file, str(file), self.size, self.grey, room_bytes))
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


class ImageFiles:
    """Images that are read when they are asked for, a map-style Dataset: float32 (channels, height, width), class."""

    def __init__(self, files: list[tuple[Path, int]], size: tuple[int, int] | None, grey: bool) -> None:
        self.files, self.size, self.grey = files, size, grey

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        file, target = self.files[index]
        return read_image(file, str(file), self.size, self.grey, half_of_memory()).float().div_(255), target


def read_image(source: Path | BytesIO, name: str, size: tuple[int, int] | None, grey: bool, room_bytes: int) -> Tensor:
    """The pixels. A file of a few kilobytes can declare any number of them, so that is asked first."""
    from PIL import Image
    from torchvision.transforms.functional import pil_to_tensor

    do = "replace or remove it"
    try:
        if isinstance(source, Path):
            refuse_device(source)
        with quiet():  # of sizes that are refused here anyway
            opened = Image.open(source, formats=FORMATS)
        with opened:
            width, height = opened.size
            if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
                raise ValueError(f"it has {width:,} x {height:,} pixels, more than {Image.MAX_IMAGE_PIXELS:,}")
            if width * height * (1 if grey else 3) > room_bytes:
                do = "replace or remove it, or have images read while training: stream = true"
                raise ValueError(f"with its {width:,} x {height:,} pixels the images take over half of the memory")
            image = opened.convert("L" if grey else "RGB")
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
    ) as error:
        raise InputError(f"The image {name} cannot be read", str(error), do) from None
    if size is not None:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    tensor: Tensor = pil_to_tensor(image)
    return tensor
