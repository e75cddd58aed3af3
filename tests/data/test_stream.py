"""Datasets and loaders of torch: whose order, whose batches, how long an epoch is, and what stands for the whole."""

from __future__ import annotations

import random
from itertools import chain

import numpy
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, RandomSampler, WeightedRandomSampler

from prunus.data.stream import Stream, size_of
from prunus.errors import InputError


class Numbers(Dataset):
    def __init__(self, count=10, noise=False):
        self.count, self.noise = count, noise

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        jitter = random.random() + float(numpy.random.rand()) + float(torch.rand(())) if self.noise else 0.0
        return index + jitter, index % 2


class Lines(IterableDataset):
    def __init__(self):
        self.epoch = None

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        return ((float(index), 0) for index in range(10))


def stream(source):
    return Stream(source, "training")


def values(batches):
    return [batch[0].tolist() for batch in batches]


def shuffled(source, epoch, seed=7, size=4):
    return values(stream(source).shuffled(size, torch.Generator().manual_seed(seed * 100 + epoch), epoch))


def test_a_dataset_is_shuffled_by_seed_and_epoch_alone():
    first = shuffled(Numbers(), 1)
    torch.manual_seed(5)
    assert shuffled(Numbers(), 1) == first != shuffled(Numbers(), 2)
    assert shuffled(Numbers(), 1, seed=8) != first
    assert sorted(chain(*first)) == list(range(10))
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert values(stream(Numbers()).in_order(4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_loader_keeps_its_batches_workers_and_collate_function():
    loader = DataLoader(
        Numbers(), 3, shuffle=True, num_workers=1, drop_last=True, collate_fn=lambda s: (torch.tensor(s),)
    )
    first = shuffled(loader, 1)
    assert [len(batch) for batch in first] == [3, 3, 3]
    assert shuffled(loader, 1) == first != shuffled(loader, 2)


def test_a_loader_that_does_not_shuffle_is_not_shuffled():
    assert shuffled(DataLoader(Numbers(), 5), 1) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_a_sampler_of_ones_own_draws_by_seed_and_epoch():
    for sampler in (
        WeightedRandomSampler([1.0] * 10, 10, generator=torch.Generator()),
        RandomSampler(Numbers(), replacement=True, num_samples=10, generator=torch.Generator()),
    ):
        loader = DataLoader(Numbers(), 5, sampler=sampler)
        first = shuffled(loader, 1)
        shuffled(loader, 3)
        assert shuffled(loader, 1) == first != shuffled(loader, 2)


def test_an_iterable_keeps_its_order_and_is_told_the_epoch():
    lines = Lines()
    assert shuffled(lines, 3) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert lines.epoch == 3
    assert len(stream(lines)) == 10


def test_the_length_is_the_data_sets_own_or_counted():
    assert len(stream(DataLoader(Numbers(), 4))) == 10
    assert len(stream(DataLoader(Lines(), 4))) == 10
    assert len(stream(Lines()).head(6)) == 6


def test_the_first_samples_alone():
    assert values(stream(Numbers()).head(6).in_order(4)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(shuffled(Numbers(), 1)) == 3
    head = stream(DataLoader(Numbers(100), 4, shuffle=True)).head(8)
    assert len(values(head.shuffled(4, torch.Generator(), 1))) == 2


def test_samples_are_taken_by_their_number_and_only_so():
    taken = stream(Numbers()).take(torch.tensor([8, 2]))
    assert (len(taken), values(taken.in_order(4))) == (2, [[8, 2]])
    loaded = stream(DataLoader(Numbers(), 2, shuffle=True)).take(torch.arange(4))
    assert sorted(chain(*values(loaded.shuffled(9, torch.Generator(), 1)))) == [0, 1, 2, 3]
    with pytest.raises(InputError, match=r"training data cannot be divided.*Return \(train, validation, test\)"):
        stream(Lines()).take(torch.arange(2))


def test_samples_are_drawn_at_random_where_they_can_be():
    draw = lambda source: values(stream(source).drawn(4, 2, torch.Generator().manual_seed(0)))  # noqa: E731
    assert draw(Numbers(1000)) == draw(Numbers(1000)) != [[0, 1], [2, 3]]
    assert draw(Lines()) == [[0, 1], [2, 3]]


def test_batches_of_a_sampler_of_ones_own_stay_batches_where_samples_are_taken_or_drawn():
    loaded = stream(DataLoader(Numbers(), batch_sampler=BatchSampler(RandomSampler(Numbers()), 4, drop_last=False)))
    before = torch.random.get_rng_state()
    taken = loaded.take(torch.arange(6))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert values(taken.in_order(9)) == [[0, 1, 2, 3], [4, 5]]
    assert [len(batch) for batch in values(loaded.drawn(8, 9, torch.Generator()))] == [4, 4]


@pytest.mark.parametrize(
    ("batch", "count"),
    [
        ([torch.zeros(5, 3), torch.zeros(5)], 5),
        ([[torch.zeros(5, 3), torch.zeros(5, 4)], torch.zeros(5)], 5),
        ({"left": torch.zeros(5, 3), "labels": torch.zeros(5)}, 5),
        (([torch.zeros(3, 8, 8), torch.zeros(3, 6, 6)], torch.zeros(2)), 2),
        (([torch.zeros(3, 8, 8)] * 2, [{"boxes": torch.zeros(3, 4)}] * 2), 2),
        ((([torch.zeros(3, 8, 8)] * 2,), [{"boxes": torch.zeros(3, 4)}] * 2), 2),
        ((["one", "two"], torch.zeros(2)), 2),
    ],
)
def test_the_samples_of_a_batch_are_counted_whatever_it_is_made_of(batch, count):
    assert size_of(batch) == count


def test_some_samples_stand_for_all_and_what_is_drawn_in_them_does_not():
    same = stream(Numbers()).fingerprint()
    assert same == stream(Numbers()).fingerprint() != stream(Numbers(11)).fingerprint()
    before = torch.random.get_rng_state(), random.getstate()
    noisy = stream(Numbers(noise=True)).fingerprint()
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    torch.manual_seed(1)
    random.seed(1)
    numpy.random.seed(1)
    assert noisy == stream(Numbers(noise=True)).fingerprint() != same


def test_samples_that_do_not_go_into_one_batch_are_told_with_the_way_out():
    class Ragged(Numbers):
        def __getitem__(self, index):
            return torch.zeros(1 + index), 0

    with pytest.raises(InputError, match=r"training data cannot be put into batches.*collate_fn"):
        list(stream(Ragged()).in_order(4))
