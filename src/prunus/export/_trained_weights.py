"""Weights that another program trained: read without running code, and fitted to the names of a network.

Two formats are read: safetensors, and what `torch.save` wrote (.pt, .pth, .bin), of which tensors alone are taken.
"""

from __future__ import annotations

import difflib
import io
import pickle
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from prunus.channels.structure import named_tensors
from prunus.errors import InputError
from prunus.system.reading import read_whole, user_path

SAVED_BY_TORCH = (".pt", ".pth", ".bin", ".ckpt", ".tar")
USUAL = ("state_dict", "model_state_dict", "model", "net", "network", "module", "params")
"""Keys under which training programs put the weights of the network itself, rather than an average of them."""
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
"""Beginnings of names: of DataParallel, torch.compile, and modules that hold the network as their only part."""
MOST_NAMED = 3
MOST_COMPARED = 1000
LONGEST_REASON = 300
OPTIONAL = ".num_batches_tracked"
"""Counters of BatchNorm, which files of old versions of PyTorch have not."""


def saved_by_torch(path: str | Path) -> bool:
    """Whether the name says that `torch.save` wrote it."""
    return Path(path).suffix in SAVED_BY_TORCH


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Fill a network with the weights of a file, whatever program wrote it; the file is read without running code.

    Args:
        model: takes them; unchanged where they do not fit.
        path: a safetensors file, or one that `torch.save` wrote: the `state_dict`, or a dictionary that holds it under
            a key such as `state_dict` or `model`. Prefixes of names such as `module.` and `_orig_mod.` are dropped.

    Raises:
        InputError: the file can't be read, or tensors are missing, unknown or of another shape; all are counted, the
            first are named with the nearest names.

    Example:
        >>> import tempfile
        >>> trained, fresh = nn.Linear(2, 1), nn.Linear(2, 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save({"epoch": 3, "state_dict": trained.state_dict()}, f"{folder}/trained.pt")
        ...     load_weights(fresh, f"{folder}/trained.pt")
        >>> torch.equal(fresh.weight, trained.weight)
        True
    """
    own = named_tensors(model)
    aliases = dict([*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)])
    found = _best(_tables(path), aliases, path)
    there = {id(aliases[name]) for name in found if name in aliases}
    missing = [name for name, tensor in own.items() if id(tensor) not in there and not name.endswith(OPTIONAL)]
    unknown = [name for name in found if name not in aliases]
    others = [name for name in found if name in aliases and _differs(name, found, aliases)]
    if count := len(missing) + len(unknown) + len(others):
        misfits = chain(
            (f"the file has no {name!r}{_near(name, unknown)}" for name in missing),
            (f"the network has no {name!r}{_near(name, missing)}" for name in unknown),
            (
                f"{name!r} is {_form(found[name])} in the file and {_form(aliases[name])} in the network"
                for name in others
            ),
        )
        more = f"; and {count - MOST_NAMED} more" if count > MOST_NAMED else ""
        raise InputError(
            f"The weights in {path} do not fit the network",
            "; ".join(islice(misfits, MOST_NAMED)) + more,
            "build the network that was trained, with the same settings and classes",
        )
    with torch.no_grad():
        for name, tensor in found.items():
            aliases[name].copy_(tensor)


def _near(name: str, others: Sequence[str]) -> str:
    """What may be meant, of the names that nothing on the other side has."""
    close = difflib.get_close_matches(name, others[:MOST_COMPARED], n=1)
    return f" but {close[0]!r}" if close else ""


def _differs(name: str, found: Mapping[str, Tensor], known: Mapping[str, Tensor]) -> bool:
    """Whether it can't be copied: widths of numbers may differ, kinds of numbers may not."""
    one, other = found[name], known[name]
    return one.shape != other.shape or one.is_floating_point() != other.is_floating_point()


def _form(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {'x'.join(map(str, tensor.shape)) or 'alone'}"


def _best(tables: list[dict[str, Tensor]], known: Mapping[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """The table, and its names without a prefix, of which most fit the network; the first of equals."""
    candidates = [bare for table in tables for bare in _without_prefixes(table)]
    if not candidates:
        raise InputError(f"There are no weights in {path}", "no table of tensors by name is in it", "check the path")
    return max(candidates, key=lambda table: sum(name in known for name in table) - sum(n not in known for n in table))


def _without_prefixes(table: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """The table as it is, and with what all its names begin with taken off, again and again."""
    yield table
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in table):
            yield from _without_prefixes({name.removeprefix(prefix): tensor for name, tensor in table.items()})


def _tables(path: str | Path) -> list[dict[str, Tensor]]:
    """The tables of tensors by name in a file, those under usual keys first."""
    try:
        file = user_path(str(path))
        if saved_by_torch(file):
            return list(_tables_in(_unpickled(read_whole(file), path)))
    except FileNotFoundError:
        raise InputError(f"There is no file {path}", "", "check the path of the weights") from None
    except (OSError, ValueError, MemoryError) as error:
        why = next(iter(str(error).splitlines()), "")[:LONGEST_REASON] or "it is damaged"
        raise InputError(f"The weights {path} cannot be read", why, "check that the file is whole") from None
    return [read_tensors(path)[0]]


def read_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file, and the notes in its header. Raises `InputError` for any other file."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(
            f"The file {path} cannot be read as safetensors",
            str(error),
            f"check that it is there and whole; a file of torch.save is called {' or '.join(SAVED_BY_TORCH)}",
        ) from None


def _unpickled(content: bytes, path: str | Path) -> Any:
    """What torch.save wrote, if it is of tensors and plain values alone; nothing of the file is run."""
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"The weights {path} cannot be read",
            "the file holds objects of classes beside tensors, and to make those it would have to run code",
            "save the weights alone in the program that trained them: torch.save(model.state_dict(), FILE)",
        ) from None
    except (RuntimeError, EOFError, KeyError, TypeError, AttributeError, IndexError, Warning) as error:
        raise ValueError(str(error)) from None


def _tables_in(value: Any, depth: int = 0) -> Iterator[dict[str, Tensor]]:
    if not isinstance(value, Mapping) or depth > 2:
        return
    named = {key: item for key, item in value.items() if isinstance(key, str) and isinstance(item, Tensor)}
    if named:
        yield named
    for key in sorted((key for key in value if isinstance(key, str)), key=_place):
        yield from _tables_in(value[key], depth + 1)


def _place(key: str) -> int:
    return USUAL.index(key) if key in USUAL else len(USUAL)
