"""Copies of networks that can be changed without a trace in the original."""

from prunus.trace.copying import _deep_copy


def test_what_one_copy_keeps_alive_is_not_taken_for_another_object():
    """`copy.deepcopy` puts a list under its memo's id: were the memo gone, another object could have that id."""
    memos = []

    class Noted:
        def __deepcopy__(self, memo):
            memos.append(id(memo))
            return Noted()

    of_all: dict[int, object] = {}
    for _ in range(20):
        _deep_copy(Noted(), of_all)
    assert len(set(memos)) == len(memos) == 20
