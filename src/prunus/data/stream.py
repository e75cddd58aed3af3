"""Samples that are read while a network trains: of a torch Dataset, map-style or iterable, or of a DataLoader."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, Subset

from prunus.errors import InputError

Collate = Callable[[list[Any]], Any]

MOST_COUNTED, MOST_COUNTED_SECONDS = 10_000_000, 60.0
"""How far an iterable that does not say its length is gone through once, before it is taken to be endless."""
HASHED_SAMPLES = 64
COUNTED_BATCH = 256


def is_streamed(source: Any) -> bool:
    """Whether it is a Dataset or a loader, and no array, table or list of numbers."""
    if isinstance(source, (DataLoader, torch.utils.data.Dataset)):
        return True
    plain = isinstance(source, (Tensor, numpy.ndarray, list, tuple, dict, str, bytes))
    return not plain and (_by_index(source) or hasattr(source, "__iter__"))


@dataclass(frozen=True, eq=False)
class Stream:
    """Samples that stay where they are until a batch needs them, so that there may be more than memory holds.

    Attributes:
        source: a map-style Dataset, which is shuffled by the seed of a trial and the number of the epoch; an iterable
            one, which comes in its own order; or a DataLoader, whose batch size, workers, collate function and
            sampler are kept, while what it shuffles is shuffled by seed and epoch.
        name: of the part of the data, for messages.
        limit: so many samples of an epoch at most.
        workers: processes that read the samples of a source that is no loader.
    """

    source: Any
    name: str
    limit: int | None = None
    workers: int = 0
    _first: list[Any] = field(default_factory=list, init=False, repr=False)

    def __len__(self) -> int:
        return self._samples if self.limit is None else min(self.limit, self._samples)

    def head(self, count: int) -> Stream:
        """The first samples of every epoch alone."""
        return replace(self, limit=count)

    def take(self, indices: Tensor) -> Stream:
        """The samples at these indices. Raises `InputError` where none can be had by its number."""
        if not _by_index(self._dataset):
            raise InputError(
                f"The {self.name} data cannot be divided",
                f"a {type(self._dataset).__name__} gives its samples in its own order alone",
                "return (train, validation, test)",
            )
        part = Subset(self._dataset, indices.tolist())
        if isinstance(self.source, DataLoader):
            order = RandomSampler(part) if self._reorders else None
            return replace(self, source=_rebuilt(self.source, part, order))
        return replace(self, source=part)

    def in_order(self, size: int, collate: Collate | None = None) -> Iterator[Any]:
        """Batches as the source comes; size and collate are of sources that are no loaders."""
        return self._ended(self._loader(size, collate))

    def shuffled(
        self, size: int, generator: torch.Generator, epoch: int, collate: Collate | None = None
    ) -> Iterator[Any]:
        """Batches of one epoch; a source that has its own order keeps it, and is told the seed and the epoch."""
        if self._reorders:
            order = torch.randperm(len(self._dataset), generator=generator).tolist()
            return self._ended(self._loader(size, collate, order))
        self._tell(int(torch.randint(2**62, (), generator=generator)), epoch)
        return self._ended(self._loader(size, collate))

    def drawn(self, count: int, size: int, generator: torch.Generator, collate: Collate | None = None) -> Iterator[Any]:
        """Batches of so many samples that are drawn at random, or of the first where none can be drawn."""
        if _by_index(self._dataset):
            order = torch.randperm(len(self._dataset), generator=generator)[:count].tolist()
            yield from self._loader(size, collate, order)
            return
        yield from self.head(count).in_order(size, collate)

    def first(self, size: int, collate: Collate | None = None) -> Any:
        """The first batch, which is read once; of so many samples where the source is no loader.

        Raises `InputError` where there is none.
        """
        if not self._first:
            with unseeded():
                self._first.extend(islice(_collated(self._loader(size, collate), self.name), 1))
        if not self._first:
            raise InputError(f"The {self.name} data are empty", "not one batch came of them", "give some samples")
        return self._first[0]

    def fingerprint(self) -> str:
        """SHA-256 of its length and of some of its samples; of its length alone where those are random."""
        once, again = self._hashed(), self._hashed()
        return once if once == again else hashlib.sha256(f"{len(self)}".encode()).hexdigest()

    @property
    def _dataset(self) -> Any:
        return self.source.dataset if isinstance(self.source, DataLoader) else self.source

    @property
    def _reorders(self) -> bool:
        """Whether the order of an epoch is ours to choose."""
        if not _by_index(self._dataset) or not isinstance(self.source, DataLoader):
            return _by_index(self._dataset)
        sampler = self.source.sampler
        return (
            type(self.source.batch_sampler) is BatchSampler
            and isinstance(sampler, RandomSampler)
            and (not sampler.replacement and len(sampler) == len(self._dataset))
        )

    def _loader(self, size: int, collate: Collate | None, order: list[int] | None = None) -> Iterable[Any]:
        source = self.source
        if isinstance(source, DataLoader):
            return source if order is None else _rebuilt(source, source.dataset, order)
        if not _by_index(source) and not isinstance(source, IterableDataset):
            return source  # type: ignore[no-any-return]  # a loader of somebody's own
        return DataLoader(source, batch_size=size, sampler=order, collate_fn=collate, num_workers=self.workers)

    def _tell(self, seed: int, epoch: int) -> None:
        """Seed what draws the order, and say which epoch it is, to all that can be told."""
        told = (self.source, getattr(self.source, "sampler", None), getattr(self.source, "batch_sampler", None))
        for one in (*told, getattr(told[2], "sampler", None), self._dataset):
            if isinstance(generator := getattr(one, "generator", None), torch.Generator):
                generator.manual_seed(seed)
            if callable(set_epoch := getattr(one, "set_epoch", None)):
                set_epoch(epoch)

    def _ended(self, batches: Iterable[Any]) -> Iterator[Any]:
        """The batches of one epoch, as many as the source says it has. Raises `InputError` where it has fewer."""
        seen = number = 0
        samples, whole = self._known_samples, _length(batches)
        wanted = samples if self.limit is None else self.limit
        for number, batch in enumerate(_collated(batches, self.name), start=1):
            yield batch
            seen += size_of(batch)
            if seen >= wanted if wanted is not None else number == whole:
                return
        if self.limit is None and (number < whole if whole is not None else samples is not None and seen < samples):
            told = (
                f"{samples:,} samples, and gave {seen:,}"
                if whole is None
                else f"{whole:,} batches, and gave {number:,}"
            )
            raise InputError(
                f"The {self.name} data ended early",
                f"they say that they have {told}",
                "correct __len__ of the data set, or what it yields: as much in every epoch",
            )

    @property
    def _known_samples(self) -> int | None:
        """How many samples the data set says that it has; a loader of somebody's own counts batches."""
        dataset = self._dataset
        return _length(dataset) if _by_index(dataset) or isinstance(dataset, IterableDataset) else None

    @cached_property
    def _samples(self) -> int:
        """How many samples an epoch has, counted where nobody says it."""
        if (known := self._known_samples) is not None:
            return known
        began, count = time.monotonic(), 0
        batches = self._loader(COUNTED_BATCH, None)
        whole = _length(batches)
        with unseeded():
            for number, batch in enumerate(_collated(batches, self.name), start=1):
                count += size_of(batch)
                if number == whole:
                    break
                if count > MOST_COUNTED or time.monotonic() - began > MOST_COUNTED_SECONDS:
                    raise InputError(
                        f"The {self.name} data do not end",
                        f"{count:,} samples were read, and the data do not say how many they are",
                        "give the data set a __len__; an epoch has as many samples",
                    )
        return count

    def _hashed(self) -> str:
        state = hashlib.sha256(f"{type(self._dataset).__name__} {len(self)}".encode())
        with unseeded():
            if _by_index(self._dataset):
                count = len(self._dataset)
                places = torch.linspace(0, max(0, count - 1), min(count, HASHED_SAMPLES)).long().tolist()
                samples: Any = [self._dataset[place] for place in places]
            else:
                samples = list(islice(self._loader(HASHED_SAMPLES, None), 1))
        for leaf in tree_leaves(samples):
            state.update(_bytes_of(leaf))
        return state.hexdigest()


def size_of(batch: Any) -> int:
    """How many samples a batch has: as long as its tensors are, or its first list where each sample has its own."""
    sizes = [len(leaf) for leaf in tree_leaves(batch) if isinstance(leaf, (Tensor, numpy.ndarray)) and leaf.ndim]
    if isinstance(batch, (tuple, list)) and batch and isinstance(batch[0], (tuple, list)):
        targets = batch[-1] if isinstance(batch[-1], (tuple, list)) else ()
        if any(isinstance(target, Mapping) for target in targets):
            return len(targets)
        if len(set(sizes)) != 1:
            return len(batch[0])
    return sizes[0] if sizes else 1


@contextmanager
def unseeded() -> Iterator[None]:
    """Within it, global generators are those of seed 0; after it, they are as before."""
    ours, theirs = random.getstate(), numpy.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        random.seed(0)
        numpy.random.seed(0)
        try:
            yield
        finally:
            random.setstate(ours)
            numpy.random.set_state(theirs)


def _by_index(source: Any) -> bool:
    """Whether samples are had by their number."""
    return hasattr(source, "__getitem__") and hasattr(source, "__len__") and not isinstance(source, IterableDataset)


def _length(source: Any) -> int | None:
    """Its length, where it says one."""
    try:
        return len(source)
    except (TypeError, NotImplementedError, AttributeError):
        return None


def _rebuilt(loader: DataLoader[Any], dataset: Any, order: Any) -> DataLoader[Any]:
    """The same loader, but for its samples and their order. Its generator is the global one, which the trial seeds.

    Batches that a sampler of one's own puts together do not outlive another order; new ones are as large as its first.
    """
    size = loader.batch_size
    if size is None and loader.batch_sampler is not None:
        with unseeded():
            size = len(next(iter(loader.batch_sampler)))
    return DataLoader(
        dataset,
        batch_size=size,
        sampler=order,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        drop_last=loader.drop_last,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        prefetch_factor=loader.prefetch_factor,
    )


def _collated(batches: Iterable[Any], name: str) -> Iterator[Any]:
    """The batches; what torch cannot put into one is told with what to do about it."""
    iterator = iter(batches)
    while True:
        try:
            batch = next(iterator)
        except StopIteration:
            return
        except (TypeError, RuntimeError) as error:
            if "collate" not in str(error) and "stack expects each tensor" not in str(error):
                raise
            raise InputError(
                f"The {name} data cannot be put into batches",
                str(error).strip().splitlines()[-1],
                "give a DataLoader with a collate_fn, or have samples be tensors of one shape",
            ) from error
        yield batch


def _bytes_of(leaf: Any) -> bytes:
    if isinstance(leaf, Tensor):
        leaf = leaf.detach().cpu().contiguous().view(torch.uint8).numpy() if leaf.dim() else leaf.item()
    if isinstance(leaf, numpy.ndarray):
        return f"{leaf.dtype} {leaf.shape}".encode() + numpy.ascontiguousarray(leaf).tobytes()
    return leaf.tobytes() if hasattr(leaf, "tobytes") else repr(leaf).encode()
