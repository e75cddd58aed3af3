import pickle

import pytest

from prunus.errors import InputError, PrunusError, StoreError, nearest


def test_message_is_sentences_in_order():
    assert str(InputError("No file x.toml", "it was moved", "check the path!")) == (
        "No file x.toml. It was moved. Check the path!"
    )


def test_a_name_at_the_beginning_stays_as_it_is():
    assert str(InputError("my study.toml is empty", "mine.toml is not", "see it")) == (
        "my study.toml is empty. mine.toml is not. See it."
    )


def test_empty_parts_are_left_out():
    assert str(PrunusError("Something broke", "", "try again")) == "Something broke. Try again."


def test_errors_survive_pickling_between_processes():
    error = pickle.loads(pickle.dumps(StoreError("a", "b", "c")))
    assert (type(error), error.what, error.why, error.do) == (StoreError, "a", "b", "c")


def test_exit_codes_differ():
    codes = {
        kind.exit_code for kind in [PrunusError, *PrunusError.__subclasses__()] if kind.__module__ == "prunus.errors"
    }
    assert codes == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(("name", "hint"), [("digist", "did you mean 'digits'"), ("zzz", "Known: digits, fashion")])
def test_nearest(name, hint):
    assert hint in nearest(name, ["fashion", "digits"])
