"""The inputs on which a file is compressed and judged: read, checked against what the network takes, and divided."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prunus.compress.file.network import Array, Feed, InputPort
from prunus.data.image_folder import ENDINGS, read_image
from prunus.errors import InputError, nearest
from prunus.system.memory import half_of_memory
from prunus.system.reading import refuse_device
from prunus.system.user_code import is_reference, load_function

FEWEST = 12
MOST_CALIBRATION = 128
CHANNELS = {1: True, 3: False}
"""Channels of an image -> whether it is read as grey."""


@dataclass(frozen=True)
class InputParts:
    """Inputs for three ends: what layers and ranges are fitted on, what candidates are chosen by, and the last look."""

    calibration: tuple[Feed, ...]
    choosing: tuple[Feed, ...]
    test: tuple[Feed, ...]


def divide(feeds: Sequence[Feed], seed: int) -> InputParts:
    """A third for calibration, 128 at most; of the rest one half chooses and the other is looked at once."""
    order = np.random.default_rng(seed).permutation(len(feeds))
    shuffled = [feeds[place] for place in order]
    first = min(MOST_CALIBRATION, len(feeds) // 3)
    second = first + (len(feeds) - first) // 2
    return InputParts(tuple(shuffled[:first]), tuple(shuffled[first:second]), tuple(shuffled[second:]))


@dataclass(frozen=True)
class Scaling:
    """What is done to the pixels of images after they are between 0 and 1: less `mean`, by `std`, for each channel."""

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def apply(self, pixels: Array) -> Array:
        """(channels, height, width) of bytes -> float32."""
        mean, std = (np.array(each, dtype=np.float32).reshape(-1, 1, 1) for each in (self.mean, self.std))
        scaled: Array = (pixels.astype(np.float32) / 255 - mean) / std
        return scaled


def read_feeds(source: Any, ports: Sequence[InputPort], scaling: Scaling) -> tuple[Feed, ...]:
    """The inputs of every run.

    source: an `.npz` file; a folder of them, each with the inputs of one run; a folder of images; `file.py:function`
    that returns what Python may give as well, a list of what the network takes in one run: an array, a tuple of them or
    a dictionary. Raises `InputError` for what cannot be read, does not fit the network, or says nothing about it.
    """
    given = list(_given(source, ports, scaling))
    feeds = tuple(_checked(one, ports, number) for number, one in enumerate(given, 1))
    if len(feeds) < FEWEST:
        raise InputError(
            f"{len(feeds)} inputs are too few",
            "some calibrate, some choose, and some are kept for the end",
            f"give {FEWEST} at least, and better some hundred",
        )
    if all(_equal(one, feeds[0]) for one in feeds[1:]) or all(_is_constant(one) for one in feeds):
        raise InputError(
            "The calibration inputs are constant", "nothing can be learned of what layers are given", "give real ones"
        )
    return feeds


def _given(source: Any, ports: Sequence[InputPort], scaling: Scaling) -> Iterator[Any]:
    if not isinstance(source, str | Path):
        yield from source
        return
    if isinstance(source, str) and is_reference(source):
        yield from _of_function(source)
        return
    path = Path(source).expanduser()
    if path.is_dir():
        yield from _of_folder(path, ports, scaling)
    elif path.suffix == ".npz" and path.exists():
        yield from _runs(_read_npz(path), ports, path)
    else:
        what = f"The inputs {path} cannot be read" if path.exists() else f"The inputs {path} do not exist"
        raise InputError(what, "", "name an .npz file, a folder of images or of .npz files, or file.py:function")


def _of_function(reference: str) -> Iterator[Any]:
    found = load_function(reference)()
    if not isinstance(found, Sequence | Iterator) or isinstance(found, str | Mapping):
        raise InputError(f"The function {reference} returned no list", f"but {type(found).__name__}", "return a list")
    yield from found


def _of_folder(folder: Path, ports: Sequence[InputPort], scaling: Scaling) -> Iterator[Any]:
    files = sorted(each for each in folder.iterdir() if each.suffix.lower() in (*ENDINGS, ".npz"))
    if not files:
        raise InputError(f"The folder {folder} has neither images nor .npz files", "", "put some there")
    for file in files:
        yield _read_npz(file) if file.suffix == ".npz" else _image(file, ports, scaling)


def _image(file: Path, ports: Sequence[InputPort], scaling: Scaling) -> Array:
    port = ports[0]
    channels = port.shape[1] if len(port.shape) == 4 else None
    if len(ports) != 1 or channels not in CHANNELS or port.dtype.kind != "f":
        raise InputError(
            "Images cannot be given to this network",
            f"it takes {', '.join(map(_words, ports))}",
            "give an .npz file of its inputs, or file.py:function",
        )
    height, width = port.shape[2:]
    size = (height, width) if height and width else None
    pixels = read_image(file, str(file), size, CHANNELS[channels], half_of_memory()).numpy()
    return scaling.apply(pixels)[None]


def _read_npz(path: Path) -> Feed:
    """All arrays of an archive, which may unpack to half of the memory; pickled ones are refused."""
    try:
        refuse_device(path)
        with np.load(path, allow_pickle=False) as archive:
            if (size := sum(entry.file_size for entry in archive.zip.infolist())) > half_of_memory():
                raise InputError(f"{path} is too large", f"unpacked it has {size:,} bytes", "give fewer inputs")
            return {name: archive[name] for name in archive.files}
    except InputError:
        raise
    except (OSError, ValueError, KeyError, AttributeError, MemoryError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"The inputs {path} cannot be read", str(error), "write them with numpy.savez") from None


def _runs(arrays: Feed, ports: Sequence[InputPort], path: Path) -> Iterator[Feed]:
    """The runs of one archive. With one dimension more than the network takes, that counts the runs; else the first
    dimension is divided into runs of the network's batch size, one where that is left open.
    """
    if missing := [port.name for port in ports if port.name not in arrays]:
        raise InputError(
            f"{path} has no array {missing[0]!r}", f"the network takes {', '.join(map(_words, ports))}", "add it"
        )
    each = {port.name: _divided(arrays[port.name], port) for port in ports}
    lengths = {name: len(parts) for name, parts in each.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"The arrays of {path} do not go together", f"they are for {lengths} runs", "give as many")
    for number in range(min(lengths.values())):
        yield {name: parts[number] for name, parts in each.items()}


def _divided(array: Array, port: InputPort) -> list[Array]:
    if array.ndim == len(port.shape) + 1:
        return list(array)
    if array.ndim != len(port.shape) or not array.ndim:
        _refuse(port, array, "")
    size = port.shape[0] or 1
    return [array[start : start + size] for start in range(0, len(array) - size + 1, size)]


def _checked(given: Any, ports: Sequence[InputPort], number: int) -> Feed:
    """One run's inputs by name, of the types and shapes that the network takes."""
    if not isinstance(given, Mapping):
        values = given if isinstance(given, tuple) else (given,)
        if len(values) != len(ports):
            raise InputError(f"Input {number} has {len(values)} arrays", f"the network takes {len(ports)}", "give them")
        given = dict(zip((port.name for port in ports), values, strict=True))
    names = [port.name for port in ports]
    if unknown := [name for name in given if name not in names]:
        raise InputError(f"The network has no input {unknown[0]!r}", "", nearest(str(unknown[0]), names))
    if missing := [name for name in names if name not in given]:
        raise InputError(f"Input {number} has no array {missing[0]!r}", "the network takes it", "add it")
    return {port.name: _fitting(np.asarray(given[port.name]), port, number) for port in ports}


def _fitting(array: Array, port: InputPort, number: int) -> Array:
    fits = len(array.shape) == len(port.shape) and all(
        size in (None, found) for size, found in zip(port.shape, array.shape, strict=True)
    )
    if not fits or not array.size:
        _refuse(port, array, f"input {number}: ")
    if array.dtype.kind not in "fiub" or (array.dtype.kind == "f") != (port.dtype.kind == "f"):
        raise InputError(
            f"The input {port.name!r} is of another type",
            f"it is {array.dtype}, and {port.dtype} is taken",
            "convert it",
        )
    if not np.isfinite(array).all():
        raise InputError(f"Input {number} is not finite", f"{port.name!r} has NaN or infinite values", "leave it out")
    return np.ascontiguousarray(array.astype(port.dtype, copy=False)).reshape(array.shape)


def _refuse(port: InputPort, array: Array, which: str) -> None:
    raise InputError(
        f"The inputs are of another shape than {_words(port)}",
        f"{which}they are {tuple(array.shape)}",
        "give them as the network takes them",
    )


def _words(port: InputPort) -> str:
    """Such as `x (n, 3, 32, 32)`."""
    return f"{port.name} ({', '.join('n' if size is None else str(size) for size in port.shape)})"


def _equal(one: Feed, other: Feed) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


def _is_constant(feed: Feed) -> bool:
    return all(array.size < 2 or (array == array.flat[0]).all() for array in feed.values())
