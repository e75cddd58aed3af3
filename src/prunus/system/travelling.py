"""Functions that processes of their own are to find: by a name in a file, `path/to/file.py:function`.

A function of a file is found there. One of a notebook has no file, so its source is written to one, with all that it
uses of the notebook: other functions and classes, imports, and plain constants. Nothing is pickled.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import linecache
import symtable
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from prunus.errors import InputError

FOLDER = Path("studies") / "code"
PLAIN = (str, int, float, bool, type(None))
HEAD = "# Written from a notebook, so that other processes find {} here.\nfrom __future__ import annotations\n"


def reference_of(function: Callable[..., Any]) -> str:
    """The name by which another process finds a function or a class: `path/to/file.py:function`.

    Raises `InputError` for what has no name of its own, and for what it uses that is no source, such as a tensor.
    """
    name = getattr(function, "__qualname__", "")
    if not name.isidentifier():
        raise InputError(
            f"{name or function!r} can't be taken to other processes",
            "they find it by its name in a file, and this has none of its own",
            "write it with `def` at the top of a file or a cell",
        )
    file, module = _file(function), inspect.getmodule(function)
    if file is not None and module is not None and not module.__package__:
        _refuse_unguarded(file, module, name)
        return f"{file}:{name}"
    if file is not None and module is not None:  # its file may import its neighbours, so that it is no module alone
        return f"{_written(name, f'from {module.__name__} import {name}')}:{name}"
    return f"{_written(name, _gathered(function))}:{name}"


def _file(function: Any) -> Path | None:
    """The file that it was written in; None for what stood in a notebook."""
    if inspect.isclass(function) and function.__module__ == "__main__":  # whose file `inspect` takes for its own
        source = _cell_of(function)[0]
    else:
        try:
            source = inspect.getsourcefile(function) or ""
        except TypeError:
            source = ""
    return Path(source).resolve() if source and Path(source).is_file() else None


def _cell_of(kind: type) -> tuple[str, str]:
    """Where a class of `__main__` was written, and its source; empty where that is not known.

    Python 3.11 knows it by its methods alone, so all cells are looked through, the last one first.
    """
    main = getattr(sys.modules["__main__"], "__file__", None)
    places = [name for name in reversed(linecache.cache) if not Path(name).is_file()]
    for name in [*([main] if main else []), *places]:
        text = "".join(linecache.getlines(name))
        with suppress(SyntaxError):
            for node in ast.parse(text).body:
                if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
                    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                    return name, "\n".join(text.splitlines()[first - 1 : node.end_lineno]) + "\n"
    return "", ""


def _refuse_unguarded(file: Path, module: ModuleType, name: str) -> None:
    """Raise `InputError` where the file is a script that would run again in every process that looks into it."""
    if module.__name__ == "__main__" and "__name__" not in file.read_text(encoding="utf-8"):
        raise InputError(
            f"{file.name} would run again in every process that looks for {name!r} in it",
            "trials run in processes of their own",
            'put what it does under `if __name__ == "__main__":`',
        )


def _written(name: str, source: str) -> Path:
    """The source in a file of its own, which another version does not overwrite."""
    text = f"{HEAD.format(name)}\n{source}\n"
    path = FOLDER.resolve() / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.py"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path


def _gathered(function: Any) -> str:
    """The source of a notebook's function, behind that of all that it uses, in an order in which it can be run."""
    found: dict[str, str] = {}
    _gather(function, found)
    lines = sorted(found.values(), key=lambda text: not text.startswith(("import ", "from ")))  # stable
    return "\n".join(lines)


def _gather(function: Any, found: dict[str, str]) -> None:
    name = function.__qualname__
    found[name] = ""  # on the way: one that calls itself is there
    source = _source(function)
    if not source:
        why = "it was not written in a cell or a file"
        raise InputError(f"The source of {name!r} is not known", why, "write it there")
    names = getattr(function, "__globals__", vars(sys.modules["__main__"]))
    for used in _used(source):
        if used in names and used not in found:
            _gather_value(used, names[used], name, found)
    found.pop(name)
    found[name] = source  # behind what it uses


def _source(function: Any) -> str:
    if inspect.isclass(function):
        return _cell_of(function)[1]
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return ""


def _gather_value(name: str, value: Any, user: str, found: dict[str, str]) -> None:
    if isinstance(value, ModuleType):
        found[name] = f"import {value.__name__} as {name}"
    elif inspect.isfunction(value) or inspect.isclass(value):
        if _file(value) is None and getattr(value, "__module__", "") == "__main__":
            _gather(value, found)
        else:
            found[name] = f"from {value.__module__} import {value.__qualname__} as {name}"
    elif _is_plain(value):
        found[name] = f"{name} = {value!r}"
    else:
        raise InputError(
            f"{user!r} uses {name!r}, which can't be taken to other processes",
            f"it is of type {type(value).__name__}, and only functions, classes, modules and plain constants can be "
            "written down",
            f"make it inside {user}, or save it to a file that {user} reads",
        )


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple | set):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(_is_plain(key) and _is_plain(inner) for key, inner in value.items())
    return type(value) in PLAIN


def _used(source: str) -> list[str]:
    """Names that a function or a class takes from the module around it, in alphabetical order.

    >>> _used("def build(width=WIDE):\\n    rows = width\\n    return nn.Linear(rows, TEN)")
    ['TEN', 'WIDE', 'nn']
    """

    def names(table: symtable.SymbolTable) -> Iterator[str]:
        outermost = table.get_type() == "module"
        for symbol in table.get_symbols():
            if not (symbol.is_assigned() or symbol.is_namespace()) if outermost else symbol.is_global():
                yield symbol.get_name()
        for inner in table.get_children():
            yield from names(inner)

    return sorted(set(names(symtable.symtable(source, "<cell>", "exec"))))
