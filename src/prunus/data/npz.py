"""Arrays from a NumPy archive."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

from prunus.data.dataset import Dataset
from prunus.data.source import DataSource
from prunus.errors import InputError, MissingError
from prunus.memory import half_of_memory
from prunus.reading import refuse_device

ARRAYS = ("x_train", "y_train", "x_test", "y_test")


class Npz(DataSource):
    """The arrays x_train, y_train, x_test and y_test of an `.npz` file, and `classes` if it has them.

    x: (n, ...), for images (n, channels, height, width); floating point, or uint8 for pixels from 0 to 255, which are
    divided by 255. y: (n,) whole numbers. Pickled arrays are refused. `classes` names the classes.
    """

    file: str
    classes: tuple[str, ...] | None = None

    def load(self) -> Dataset:
        """Bring the data into memory."""
        from prunus.data.arrays import dataset_of

        arrays = self._read()
        x_train, y_train, x_test, y_test = (arrays[name] for name in ARRAYS)
        named = tuple(arrays["classes"].astype(str).reshape(-1).tolist()) if "classes" in arrays else None
        return dataset_of(self.file, (x_train, y_train, x_test, y_test), self.classes or named)

    def _read(self) -> dict[str, Any]:
        import numpy

        name = f"The file {self.file}"
        try:
            refuse_device(Path(self.file).expanduser())
            with Path(self.file).expanduser().open("rb") as file:
                archive = numpy.load(file, allow_pickle=False)
                if not isinstance(archive, numpy.lib.npyio.NpzFile):
                    raise InputError(f"{name} is no .npz archive", "it holds one array", "use numpy.savez")
                if absent := [each for each in ARRAYS if each not in archive.files]:
                    found = ", ".join(archive.files) or "no array"
                    raise InputError(f"{name} has no array {absent[0]!r}", f"it holds {found}", "add it")
                names = [each for each in (*ARRAYS, "classes") if each in archive.files]
                self._refuse_large(archive, names)
                return {each: archive[each] for each in names}
        except FileNotFoundError:
            raise MissingError(f"{name} does not exist", "", "check the path") from None
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
            why = "it holds Python objects, which are pickles" if "allow_pickle" in str(error) else str(error)
            raise InputError(f"{name} cannot be read", why, "use numpy.savez") from None

    def _refuse_large(self, archive: Any, names: list[str]) -> None:
        """A small archive may unpack to more than any memory holds; no entry gives more bytes than it declares."""
        sizes = {entry.filename.removesuffix(".npy"): entry.file_size for entry in archive.zip.infolist()}
        if (total := sum(sizes[name] for name in names)) > (most := half_of_memory()):
            why = f"unpacked it has {total:,} bytes, and {most:,} are the most that is read here"
            raise InputError(f"The file {self.file} is too large", why, "give fewer samples")
