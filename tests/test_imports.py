"""No module leads back to itself, and none reaches into another package for what is private there (`_module`)."""

import graphlib

import grimp
import pytest

NATIVE = "from prunus.sparse import _native"
"""The native module is no Python file, so that grimp takes its package for what is imported."""


@pytest.fixture(scope="module")
def imports():
    """Module -> modules that it imports; not those that it imports for its type annotations alone."""
    graph = grimp.build_graph("prunus", exclude_type_checking_imports=True)

    def is_import(importer, imported):
        details = graph.get_import_details(importer=importer, imported=imported)
        return any(one["line_contents"] != NATIVE for one in details)

    return {
        module: {one for one in graph.find_modules_directly_imported_by(module) if is_import(module, one)}
        for module in graph.modules
    }


def test_no_module_leads_back_to_itself(imports):
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_the_circle_of_a_module_is_found(imports):
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter({**imports, "prunus.errors": {"prunus.cli.main"}}).prepare()


def test_private_modules_are_imported_within_their_package_alone(imports):
    found = [
        f"{module} -> {one}"
        for module, used in imports.items()
        for one in used
        if (package := one.rpartition("._")[0]) and not f"{module}.".startswith(f"{package}.")
    ]
    assert found == []
