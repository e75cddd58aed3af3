"""Print the figures of the package's structure: its size and grain, names that stand twice, imports, long functions.

    python tools/house.py [FOLDER]

FOLDER holds the package, `src/prunus` where it is left out. Two versions are compared by running it in a checkout of
each; docs/decisions.md keeps both.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import mean, median

OPERATIONS = ("conv2d", "linear", "layer_norm", "view", "scaled_dot_product_attention", "softmax", "cat")
SMALL = 60  # lines; a file below it that one other file imports is a candidate for being a part of that file
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class SourceFile:
    """One module: its dotted name within the package's parent folder, and its text."""

    name: str
    path: Path
    text: str

    @cached_property
    def lines(self) -> int:
        """How many lines it has."""
        return len(self.text.splitlines())

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax."""
        return ast.parse(self.text)

    @cached_property
    def import_lines(self) -> int:
        """Lines that imports take."""
        statements = (node for node in ast.walk(self.tree) if isinstance(node, (ast.Import, ast.ImportFrom)))
        return sum((node.end_lineno or node.lineno) - node.lineno + 1 for node in statements)

    def imported(self, known: Iterable[str]) -> set[str]:
        """Modules among the known ones that this one imports, at any depth of its code."""
        names = set(known)
        found = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                submodules = {f"{node.module}.{alias.name}" for alias in node.names} & names
                found.update(submodules or {node.module})
        return found & names - {self.name}

    def classes(self) -> list[str]:
        """Public classes that it defines."""
        return [n.name for n in ast.walk(self.tree) if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]

    def functions(self) -> Iterator[tuple[str, int]]:
        """Each function with its number of lines."""
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1

    def words(self) -> set[str]:
        """All words of its string constants, where tables by operation hold their names."""
        strings = (n.value for n in ast.walk(self.tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
        return {word for string in strings if "\n" not in string for word in string.split()}


def read(folder: Path) -> list[SourceFile]:
    """All modules of a package, by name."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found.append(SourceFile(".".join(parts).removesuffix(".__init__"), path, path.read_text()))
    return found


def repeated(names: Iterable[str]) -> dict[str, int]:
    """Names that stand more than once, the most frequent first."""
    return {name: count for name, count in Counter(names).most_common() if count > 1}


def one_importer(files: list[SourceFile]) -> list[SourceFile]:
    """Small modules that one other module alone imports; a package's table of contents does not count as one."""
    importers: defaultdict[str, list[str]] = defaultdict(list)
    names = [file.name for file in files]
    for file in files:
        if file.path.name != "__init__.py":
            for name in file.imported(names):
                importers[name].append(file.name)
    return [f for f in files if f.lines < SMALL and f.path.name != "__init__.py" and len(importers[f.name]) == 1]


def words(counted: dict[str, int], limit: int = 20) -> str:
    """`Plan 3, Graph 2`."""
    shown = ", ".join(f"{name} {count}" for name, count in list(counted.items())[:limit])
    return shown + (", ..." if len(counted) > limit else "") or "none"


def main() -> None:
    """Print everything."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "src/prunus")
    files = read(folder)
    if not files:
        sys.exit(f"error: there is no Python file in {folder}. Run this in the project's folder, or name the package.")
    lines = [file.lines for file in files]
    print(f"{sum(lines):,} lines in {len(files)} files; mean {mean(lines):.0f}, median {median(lines):.0f}")
    print(f"imports: {100 * sum(file.import_lines for file in files) / sum(lines):.1f} % of lines")

    packages: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for file in files:
        inner = file.path.relative_to(folder)
        package = inner.parts[0] if len(inner.parts) > 1 else "(root)"
        packages[package] += file.lines
        counts[package] += 1
    print("\nlines and files by package")
    for package, size in packages.most_common():
        print(f"  {package:14} {size:6,} {counts[package]:4}")

    print("\nfiles whose strings name an operation: one where an operation is one row, and those of other tables")
    for operation in OPERATIONS:
        holders = [file.name.removeprefix("prunus.") for file in files if operation in file.words()]
        print(f"  {operation:28} {len(holders):2}  {', '.join(holders)}")

    print("\nclasses defined more than once:", words(repeated(name for file in files for name in file.classes())))
    stems = repeated(file.path.stem for file in files if file.path.stem != "__init__")
    print(f"file names that repeat: {len(stems)}:", words(stems))
    small = one_importer(files)
    print(f"files of fewer than {SMALL} lines with one importer: {len(small)}")
    functions = [(size, f"{file.name}.{name}") for file in files for name, size in file.functions()]
    sizes = [size for size, _ in functions]
    print(f"\nfunctions: {len(sizes):,}, median {median(sizes):.0f} lines; the longest:")
    for size, name in sorted(functions, reverse=True)[:8]:
        print(f"  {size:3} {name}")


if __name__ == "__main__":
    main()
