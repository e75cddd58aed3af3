"""Where the files of a data set lie: in a folder the user names, in a usual place, or on a server."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from prunus.errors import MissingError
from prunus.spec.part import Frozen
from prunus.system.reading import cache_folder, user_path


@dataclass(frozen=True)
class Download:
    """A file on a server; an archive is unpacked beside itself."""

    url: str
    md5: str
    archive: bool = False

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Files:
    """The files of a data set.

    names: each may have `.gz` behind it; layouts: sub-folders in which they may lie together; usual: folders that are
    looked in when the user names none; elsewhere: one more way to get them, as the end of an error message; unusable:
    sub-folders with another version of the same data, and why it is not read.
    """

    dataset: str
    names: tuple[str, ...]
    downloads: tuple[Download, ...]
    layouts: tuple[str, ...] = ("",)
    usual: tuple[str, ...] = ()
    elsewhere: str = ""
    unusable: Mapping[str, str] = field(default_factory=dict)

    def find(self, folder: str | None, download: bool) -> tuple[Path, ...]:
        """The paths of all files, in order; absent ones are downloaded only if asked.

        Raises `MissingError` that says which file is absent and every way to get it.
        """
        named = user_path(folder) if folder else None
        places = (named,) if named else (*(Path(place) for place in self.usual), cache_folder(self.dataset))
        for place in places:
            if found := self._complete(place):
                return found
        if download:
            for each in self.downloads:
                if each.archive or not (places[-1] / each.file_name).exists():
                    fetch(each, places[-1], self.dataset)
            if found := self._complete(places[-1]):
                return found
        raise self._missing(places)

    def _complete(self, place: Path) -> tuple[Path, ...]:
        """The files of the first layout in which all are there."""
        for layout in self.layouts:
            paths = tuple(_plain_or_gzipped(place / layout / name) for name in self.names)
            if all(path.is_file() for path in paths):
                return paths
        return ()

    def _missing(self, places: tuple[Path, ...]) -> MissingError:
        absent = min((self._absent(place, layout) for place in places for layout in self.layouts), key=len)
        ways = ("name their folder with the setting 'folder'", "set download = true", self.elsewhere)
        why = f"there is no {absent[0]} in {' and none in '.join(str(place) for place in places)}"
        others = [place / name for place in places for name in self.unusable if (place / name).exists()]
        return MissingError(
            f"The files of the data set {self.dataset!r} are not there",
            "; ".join((why, *(f"{other} {self.unusable[other.name]}" for other in others))),
            ", or ".join(way for way in ways if way),
        )

    def _absent(self, place: Path, layout: str) -> list[str]:
        return [name for name in self.names if not _plain_or_gzipped(place / layout / name).is_file()]


class FromFiles(Frozen):
    """Settings of a data set that is read from files.

    folder: where they are; without it the usual places are looked in. download: fetch them if they are not there.
    """

    FILES: ClassVar[Files]

    folder: str | None = None
    download: bool = False


def fetch(download: Download, folder: Path, dataset: str) -> None:
    """Download one file, check its MD5, and only then put it, or what is in it, into the folder.

    Raises `MissingError` that names the address.
    """
    from torchvision.datasets.utils import download_url

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as temporary:
            download_url(download.url, temporary, md5=download.md5)
            if download.archive:
                _unpack(Path(temporary) / download.file_name)
            for file in [each for each in Path(temporary).rglob("*") if each.is_file()]:
                target = folder / file.relative_to(temporary)
                target.parent.mkdir(parents=True, exist_ok=True)
                file.replace(target)
    except (OSError, RuntimeError, tarfile.TarError) as error:  # no network, a full disk, a wrong checksum
        raise MissingError(
            f"The data set {dataset!r} cannot be downloaded",
            f"fetching {download.url} failed: {error}",
            f"check the network, or put the files into {folder} by hand",
        ) from None


def _unpack(archive: Path) -> None:
    """Unpack a tar archive beside itself; nothing lands elsewhere, whatever its members are called."""
    if not hasattr(tarfile, "data_filter"):
        raise OSError("Python before 3.11.4 cannot unpack an archive safely")
    with tarfile.open(archive) as opened:
        opened.extractall(archive.parent, filter="data")
    archive.unlink()


def _plain_or_gzipped(path: Path) -> Path:
    gzipped = path.with_name(path.name + ".gz")
    return gzipped if gzipped.is_file() and not path.is_file() else path
