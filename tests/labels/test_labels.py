import numpy as np

from prunus.labels.label_sets import KEPT
from prunus.labels.labels import Labels
from prunus.labels.reshape import blocks, factor, product


def test_joining_is_transitive() -> None:
    labels = Labels()
    a, b, c, d = labels.fresh(4).tolist()
    labels.join(a, b, "")
    labels.join(c, d, "")
    labels.join(b, c, "")
    assert len({labels.atoms(label) for label in (a, b, c, d)}) == 1


def test_joining_with_a_kept_position_pins_all() -> None:
    labels = Labels()
    a, b = labels.fresh(2).tolist()
    labels.join(a, b, "")
    labels.join(KEPT, a, "the reason")
    assert labels.pinned(b) == "the reason"


def test_a_pinned_atom_stays_pinned_when_it_is_split() -> None:
    labels = Labels()
    rows = labels.fresh(4)
    labels.pin(rows[:1], "named")
    heads, dims = factor(labels, rows.reshape(2, 2), "")
    assert labels.pinned(int(heads[0])) == labels.pinned(int(dims[0])) == "named"
    assert labels.pinned(int(heads[1])) is None


def test_rows_become_products_of_head_and_dimension() -> None:
    labels = Labels()
    rows = labels.fresh(6)
    heads, dims = factor(labels, rows.reshape(2, 3), "")
    for h in range(2):
        for d in range(3):
            assert labels.atoms(int(rows[3 * h + d])) == labels.atoms(int(heads[h])) | labels.atoms(int(dims[d]))


def test_what_was_merged_is_split_exactly() -> None:
    labels = Labels()
    heads, dims = labels.fresh(2), labels.fresh(3)
    flat = product(labels, heads, dims).reshape(-1)
    again_heads, again_dims = factor(labels, flat.reshape(2, 3), "")
    assert np.array_equal(again_heads, heads)
    assert np.array_equal(again_dims, dims)


def test_a_second_split_at_another_place_ties_what_it_must() -> None:
    # 8 channels seen as 4 x 2 and as 2 x 4: position 4a+2b+c needs its place in both grids.
    labels = Labels()
    rows = labels.fresh(8)
    factor(labels, rows.reshape(4, 2), "")
    outer, inner = factor(labels, rows.reshape(2, 4), "")
    for position in range(8):
        both = labels.atoms(int(outer[position // 4])) | labels.atoms(int(inner[position % 4]))
        assert labels.atoms(int(rows[position])) == both


def test_conflicting_splits_are_pinned_rather_than_wrong() -> None:
    labels = Labels()
    rows = labels.fresh(12)
    factor(labels, rows.reshape(3, 4), "")
    outer, inner = factor(labels, rows.reshape(4, 3), "here")
    for position in range(12):
        free = {
            atom
            for atom in labels.atoms(int(rows[position]))
            ^ (labels.atoms(int(outer[position // 3])) | labels.atoms(int(inner[position % 3])))
            if labels.pinned(atom) is None
        }
        assert not free


def test_blocks_of_equal_numbers_of_elements() -> None:
    found = list(blocks((4, 6, 5), (2, 2, 3, 10)))
    assert found == [(slice(0, 1), slice(0, 2)), (slice(1, 3), slice(2, 4))]
