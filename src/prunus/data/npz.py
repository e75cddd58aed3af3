"""Arrays from a NumPy archive."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

from prunus.data.dataset import Dataset
from prunus.data.source import DataSource
from prunus.errors import InputError, MissingError

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
        for name in ARRAYS:
            if name not in arrays:
                found = ", ".join(arrays) or "no array"
                raise InputError(f"The file {self.file} has no array {name!r}", f"it holds {found}", "add it")
        x_train, y_train, x_test, y_test = (arrays[name] for name in ARRAYS)
        classes = self.classes or (tuple(str(each) for each in arrays["classes"]) if "classes" in arrays else None)
        return dataset_of(self.file, (x_train, y_train, x_test, y_test), classes)

    def _read(self) -> dict[str, Any]:
        import numpy

        try:
            with Path(self.file).expanduser().open("rb") as file:
                archive = numpy.load(file, allow_pickle=False)
                if isinstance(archive, numpy.lib.npyio.NpzFile):
                    return {name: archive[name] for name in archive.files}
            raise InputError(f"The file {self.file} is no .npz archive", "it holds one array", "use numpy.savez")
        except FileNotFoundError:
            raise MissingError(f"The file {self.file} does not exist", "", "check the path") from None
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            why = "it holds Python objects, which are pickles" if "allow_pickle" in str(error) else str(error)
            raise InputError(f"The file {self.file} cannot be read", why, "use numpy.savez") from None
