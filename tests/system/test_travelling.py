"""Functions that other processes are to find: in files, in notebooks, and those that cannot be found."""

from __future__ import annotations

import linecache
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import prunus
from prunus.errors import InputError
from prunus.system.travelling import reference_of
from prunus.system.user_code import load_function


@contextmanager
def in_a_notebook(text: str, folder: Path) -> Iterator[dict[str, Any]]:
    """What a cell leaves behind in `__main__`: its source is known to `inspect`, as in IPython, and lies in no file."""
    source, name = textwrap.dedent(text), str(folder / "ipykernel_1" / "1.py")
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    main = sys.modules["__main__"]
    before = dict(vars(main))
    try:
        exec(compile(source, name, "exec"), vars(main))  # classes find their source by the module that they name
        yield vars(main)
    finally:
        del linecache.cache[name]
        for key in set(vars(main)) - set(before):
            delattr(main, key)


def test_a_function_of_a_file_is_found_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("def build(width=3):\n    return width\n")
    monkeypatch.syspath_prepend(tmp_path)
    import mine

    assert reference_of(mine.build) == f"{tmp_path / 'mine.py'}:build"
    part = prunus.Part.model_validate({"name": mine.build, "width": 5})
    assert load_function(part.name)(**part.settings) == 5
    assert prunus.Part.model_validate(mine.build) == prunus.Part(name=part.name)


def test_what_a_notebook_s_function_uses_goes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cell = """
        import math as maths
        from pathlib import Path

        TABLE = {"a": [1, 2.5, None]}
        unused = object()

        def helper(x):
            return maths.sqrt(x) + len(TABLE["a"])

        class Base:
            scale = 2

        class Derived(Base):
            def value(self, x):
                return self.scale * helper(x)

        def build(x=4):
            unused_here = Path("a")
            return Derived().value(x)
        """
    with in_a_notebook(cell, tmp_path) as names:
        reference = reference_of(names["build"])
        assert reference_of(names["build"]) == reference  # the same source has the same name
    assert Path(reference.rpartition(":")[0]).parent == tmp_path / "studies" / "code"
    assert "unused =" not in Path(reference.rpartition(":")[0]).read_text()
    assert load_function(reference)(x=9) == 2 * (3 + 3)


def test_a_function_of_a_package_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_function(reference_of(prunus.errors.nearest))(name="a", known=["b"]) == prunus.errors.nearest(
        "a", ["b"]
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("build = lambda: 1", "has none of its own"),
        ("def outer():\n    def build():\n        return 1\n    return build\nbuild = outer()", "has none of its own"),
        ("data = object()\ndef build():\n    return data", "'build' uses 'data'.* of type object"),
    ],
)
def test_what_cannot_travel_is_named(text: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with in_a_notebook(text, tmp_path) as names, pytest.raises(InputError, match=why):
        reference_of(names["build"])
    assert not (tmp_path / "studies").exists()


@pytest.mark.parametrize("guard", [False, True])
def test_a_script_that_would_run_again_is_refused(guard: bool, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    use = "print(reference_of(build))"
    script.write_text(
        "from prunus.system.travelling import reference_of\n\ndef build():\n    return 1\n\n"
        + (f'if __name__ == "__main__":\n    {use}\n' if guard else f"{use}\n")
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout == f"{script}:build\n") == guard
    assert ("would run again in every process" in done.stderr) != guard
