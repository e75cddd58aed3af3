from __future__ import annotations

import pytest
import torch
from hypothesis import given, strategies as st

from prunus.data import Split
from prunus.data.cut import balanced_counts, choose, cut, fixed_order, limited, proportional_counts
from prunus.errors import InputError

SIZES = st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(lambda sizes: sum(sizes) > 1)


def split(*sizes: int) -> Split:
    """Sample i has the input i; classes follow one another."""
    targets = torch.cat([torch.full((size,), index) for index, size in enumerate(sizes)])
    return Split(torch.arange(len(targets), dtype=torch.float32).unsqueeze(1), targets)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_first_of_each_class_in_the_given_order_are_chosen() -> None:
    targets = torch.tensor([0, 1, 0, 1, 0])
    chosen = choose(targets, [2, 1], torch.tensor([4, 3, 2, 1, 0]))
    assert chosen.tolist() == [False, False, True, True, True]


def test_each_class_gives_its_share() -> None:
    kept, away = cut(split(40, 20, 4), 0.25, seeded())
    assert torch.bincount(kept.targets).tolist() == [30, 15, 3]
    assert torch.bincount(away.targets).tolist() == [10, 5, 1]


def test_the_generator_alone_decides_which() -> None:
    data = split(50, 50)
    torch.manual_seed(1)
    first = cut(data, 0.5, seeded(3))[1].inputs
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert torch.equal(cut(data, 0.5, seeded(3))[1].inputs, first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(cut(data, 0.5, seeded(4))[1].inputs, first)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_share_that_cuts_nothing_or_all_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="cannot be cut off"):
        cut(split(3, 3), share, seeded())


def test_one_sample_cannot_be_cut() -> None:
    with pytest.raises(InputError, match="1 samples"):
        cut(split(1), 0.5, seeded())


@given(SIZES, st.floats(0.001, 0.999), st.integers(0, 5))
def test_a_cut_loses_nothing_and_keeps_the_order(sizes: list[int], share: float, seed: int) -> None:
    data = split(*sizes)
    kept, away = cut(data, share, seeded(seed))
    numbers = [part.inputs.flatten().tolist() for part in (kept, away)]
    assert sorted(numbers[0] + numbers[1]) == list(range(len(data)))
    assert all(part == sorted(part) and part for part in numbers)
    assert abs(len(away) - share * len(data)) <= 1


@given(SIZES, st.data())
def test_proportional_counts_are_within_one_of_the_exact_share(sizes: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, sum(sizes)))
    counts = proportional_counts(sizes, total)
    assert sum(counts) == total
    assert all(abs(c - s * total / sum(sizes)) < 1 and c <= s for c, s in zip(counts, sizes, strict=True))


@given(SIZES, st.data())
def test_balanced_counts_differ_only_where_a_class_is_exhausted(sizes: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, sum(sizes)))
    counts = balanced_counts(sizes, total)
    assert sum(counts) == total
    assert all(c <= s for c, s in zip(counts, sizes, strict=True))
    assert all(c == s or c >= max(counts) - 1 for c, s in zip(counts, sizes, strict=True))


def test_a_limit_takes_equally_many_of_every_class_and_always_the_same() -> None:
    data = split(10, 30, 20)
    few = limited(data, 9, "mine")
    assert torch.bincount(few.targets).tolist() == [3, 3, 3]
    assert torch.equal(few.inputs, limited(data, 9, "mine").inputs)
    assert limited(data, None, "mine") is data
    with pytest.raises(InputError, match=r"mine cannot give 61 samples\. It has 60"):
        limited(data, 61, "mine")


def test_the_fixed_order_is_fixed() -> None:
    assert fixed_order(6).tolist() == [5, 2, 1, 3, 0, 4]
