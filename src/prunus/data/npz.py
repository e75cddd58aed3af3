"""Arrays from a NumPy archive."""

from __future__ import annotations

import zipfile
from typing import Any

from prunus.data.dataset import ARRAYS, AnyTargets, Dataset
from prunus.errors import InputError, MissingError, PrunusError
from prunus.system.memory import half_of_memory
from prunus.system.reading import refuse_device, user_path

GROWTH = {"y_train": 8, "y_test": 8, "classes": 128}
"""How many times larger an array may become: a byte is a class of 8 bytes, or a name as long as a number can be."""


class Npz(AnyTargets):
    """The arrays x_train, y_train, x_test and y_test of an `.npz` file, and `classes` if it has them.

    x: (n, ...), for images (n, channels, height, width); floating point, or uint8 for pixels from 0 to 255, which are
    divided by 255. y: (n,) whole numbers. Pickled arrays are refused. `classes` names the classes.
    """

    file: str
    classes: tuple[str, ...] | None = None

    def load(self, *, indices: bool = True) -> Dataset:
        """Bring the data into memory."""
        from prunus.data.check import dataset_of

        arrays = self._read()
        x_train, y_train, x_test, y_test = (arrays[name] for name in ARRAYS)
        named = tuple(arrays["classes"].astype(str).reshape(-1).tolist()) if "classes" in arrays else None
        return dataset_of(self.file, (x_train, y_train, x_test, y_test), self.classes or named, indices=indices)

    def _read(self) -> dict[str, Any]:
        import numpy

        name = f"The file {self.file}"
        try:
            refuse_device(path := user_path(self.file))
            with path.open("rb") as file:
                archive = numpy.load(file, allow_pickle=False)
                if not isinstance(archive, numpy.lib.npyio.NpzFile):
                    raise InputError(f"{name} is no .npz archive", "it holds one array", "use numpy.savez")
                if absent := [each for each in ARRAYS if each not in archive.files]:
                    found = ", ".join(archive.files) or "no array"
                    raise InputError(f"{name} has no array {absent[0]!r}", f"it holds {found}", "add it")
                names = [each for each in (*ARRAYS, "classes") if each in archive.files]
                assert archive.zip is not None
                self._refuse_large(archive.zip.infolist(), names)
                return {each: archive[each] for each in names}
        except FileNotFoundError:
            raise MissingError(f"{name} does not exist", "", "check the path") from None
        except PrunusError:
            raise
        except Exception as error:  # a damaged file fails in many ways inside NumPy
            why = "it holds Python objects, which are pickles" if "allow_pickle" in str(error) else str(error)
            raise InputError(f"{name} cannot be read", why, "use numpy.savez") from None

    def _refuse_large(self, entries: list[zipfile.ZipInfo], names: list[str]) -> None:
        """A small archive may unpack to more than any memory holds.

        No entry gives more bytes than it declares, where it is stored or deflated; NumPy writes no others. Of two
        entries that NumPy calls by one name it reads one, and which one is nobody's business to know.
        """
        found: dict[str, int] = {}
        for entry in entries:
            name = entry.filename.removesuffix(".npy")
            if name in found:
                raise ValueError(f"it holds the array {name!r} twice")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"its array {name!r} is compressed in a way that NumPy does not write")
            found[name] = entry.file_size * GROWTH.get(name, 1)
        if (total := sum(found[name] for name in names)) > (most := half_of_memory()):
            why = f"unpacked it has {total:,} bytes, and {most:,} are the most that is read here"
            raise InputError(f"The file {self.file} is too large", why, "give fewer samples")
