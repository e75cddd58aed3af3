"""Which local variables are read again, as bytecode tells."""

from typing import Any

from prunus.trace.liveness import unread_locals


def unread(held: dict[str, Any]) -> set[str]:
    """Names of the objects that some variable holds which is not read again."""
    found = unread_locals()
    return {name for name, thing in held.items() if found[id(thing)]}


def test_a_variable_is_unread_after_it_was_read_last() -> None:
    kept = {"one": object(), "two": object()}
    one, two = kept["one"], kept["two"]
    assert unread(kept) == set()
    assert one is not None
    assert unread(kept) == {"one"}
    assert two is not None
    assert unread(kept) == {"one", "two"}


def test_what_the_next_round_of_a_loop_reads_is_not_unread() -> None:
    kept = {"first": object(), "second": object()}
    before, seen = kept["first"], []
    for name in kept:
        this = kept[name]
        seen.append(unread(kept))
        assert before is not None
        before = this
    assert seen == [set(), set()]
    assert unread(kept) == {"second"}


def test_what_is_written_over_before_it_is_read_is_unread() -> None:
    kept = {"first": object(), "second": object()}
    seen = []
    for name in kept:
        seen.append(unread(kept))  # in the second round `this` still holds the first
        this = kept[name]
        assert this is not None
    assert seen == [set(), {"first"}]


def test_what_a_handler_or_an_inner_function_reads_is_not_unread() -> None:
    kept = {"handled": object(), "closed": object()}
    handled, closed = kept["handled"], kept["closed"]

    def inner() -> object:
        return closed

    try:
        assert unread(kept) == set()
        raise ValueError
    except ValueError:
        assert handled is not None
    assert unread(kept) == {"handled"}
    assert inner() is closed
