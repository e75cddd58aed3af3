"""Child processes find prunus where this one did, and nothing else by that."""

import os
from pathlib import Path

import prunus
from prunus.system.children import child_environment


def test_the_folder_that_holds_prunus_is_all_that_is_added(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/one", "", "/two"]))
    home = Path(prunus.__file__).parent.parent
    added = [] if home.name == "site-packages" else [str(home)]
    assert child_environment()["PYTHONPATH"].split(os.pathsep) == ["/one", "/two", *added]
