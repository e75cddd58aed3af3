"""Labels as people have them: from 1 on, with gaps, below zero, as numbers with a point."""

import numpy
import pytest
import torch

from prunus.data.check import check, dataset_of
from prunus.errors import InputError


def arrays(labels, test=None):
    x = numpy.zeros((len(labels), 2), dtype=numpy.float32)
    y = numpy.array(labels)
    return x, y, x, y if test is None else numpy.array(test)


@pytest.mark.parametrize("labels", [[1, 2, 3], [0, 1, 3], [-1, 1, 1], [0, 1, -100], [5, 5, 5], [[1], [2], [3]]])
def test_numbers_without_a_sample_are_refused_where_nobody_named_the_classes(labels):
    with pytest.raises(InputError, match=r"The targets of mine are .*from 0 on.*name all of them"):
        dataset_of("mine", arrays(labels), None)


def test_the_labels_are_named():
    with pytest.raises(InputError, match=r"The targets of mine are 1, 2, 3\. They"):
        dataset_of("mine", arrays([3, 1, 2]), None)


def test_a_class_may_be_in_one_split_alone():
    found = dataset_of("mine", arrays([0, 1, 1], test=[2, 0, 1]), None)
    assert found.classes == ("0", "1", "2")


def test_who_names_the_classes_may_have_none_of_one():
    found = check(dataset_of("mine", arrays([1, 2, 1]), ("none", "cat", "dog")))
    assert found.train.targets.tolist() == [1, 2, 1]
    with pytest.raises(InputError, match="target 3"):
        check(dataset_of("mine", arrays([1, 2, 3]), ("cat", "dog", "cow")))


@pytest.mark.parametrize("labels", [[0.0, 1.0, 1.0], [True, False, True]])
def test_what_are_no_whole_numbers_is_refused(labels):
    with pytest.raises(InputError, match="whole numbers"):
        dataset_of("mine", arrays(labels), None)


def test_tensors_are_held_to_the_same():
    x = torch.zeros(3, 2)
    with pytest.raises(InputError, match="targets of mine are 1, 2"):
        dataset_of("mine", (x, torch.tensor([1, 2, 2]), x, torch.tensor([1, 2, 2])), None)
