"""Old module paths lead to the new ones, say so, and cost nothing until they are used."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import prunus
from prunus.renamed import MODULES, NAMES


@pytest.mark.parametrize("path", MODULES)
def test_each_leads_to_a_module_that_is_there(path):
    module = import_module(f"prunus.{MODULES[path]}")
    name = next(name for name in vars(module) if not name.startswith("_"))
    with pytest.warns(DeprecationWarning, match=rf"prunus\.{path}\.{name} is now"):
        assert getattr(import_module(f"prunus.{path}"), name) is getattr(module, name)


@pytest.mark.parametrize(("path", "name"), [(path, name) for path in NAMES for name in NAMES[path]])
def test_each_name_leads_to_one_that_is_there(path, name):
    with pytest.warns(DeprecationWarning, match="is now prunus"):
        assert getattr(import_module(f"prunus.{path}"), name)


def test_there_is_one_prune_channels():
    with pytest.warns(DeprecationWarning, match="is now prunus"):
        assert prunus.surgery.prune_channels is prunus.prune_channels


def test_what_is_in_neither_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'prunus\.surgery' has no attribute 'magnitude'"):
        prunus.surgery.magnitude  # noqa: B018


def test_no_module_of_an_old_name_is_there():
    source = Path(prunus.__file__).parent
    assert not [path for path in MODULES if (source / path.replace(".", "/")).with_suffix(".py").exists()]


def test_each_form_of_an_import_works():
    code = (
        "import prunus.surgery\nfrom prunus.sweep import words\nfrom prunus.quiet import quiet\n"
        "from prunus.sparse.plan import Plan\nprint(prunus.surgery.prune_channels.__module__, words.Ear.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["prunus.channels.by_name", "EventReader"]
    assert "prunus.quiet.quiet is now prunus.system.quiet.quiet" in done.stderr
