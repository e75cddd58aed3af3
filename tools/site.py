"""Pages of the documentation site that lie elsewhere in the repository, or are made from the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import griffe
from mkdocs.structure.files import File

import prunus

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parent.parent
ELSEWHERE = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
PAGES = {name: page for page, name in ELSEWHERE.items()}
NO_PAGES = ("src/", "tools/", "benchmarks/", "tests/", "examples/", "LICENSE", "CITATION.cff")
STUB = ROOT / "src" / "prunus" / "__init__.pyi"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the repository's own pages and the reference; the list of pages in docs/ is the site's navigation."""
    files.remove(files.src_uris["README.md"])
    for page, name in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text()))
    files.append(File.generated(config, "reference.md", content=reference()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:
    """Turn links into the repository into links of the site, or into the names of files.

    What blocks of code say to the tests behind their language goes.
    """
    generated = page.file.src_uri in ELSEWHERE
    markdown = re.sub(r"^(```\w+) .*$", r"\1", markdown, flags=re.MULTILINE)
    return re.sub(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)", lambda link: _link(link, generated), markdown)


def _link(link: re.Match[str], from_root: bool) -> str:
    image, text, target, anchor = link.groups(default="")
    if "://" in target:
        return link[0]
    target = target.removeprefix("docs/") if from_root else target
    name = target.rpartition("../")[2]
    if name in PAGES and (from_root or "../" in target):
        target = PAGES[name]
    elif name.startswith(NO_PAGES):
        return f"{text}" if "`" in text else f"`{name}`"
    return f"{image}[{text}]({target}{anchor})"


def reference() -> str:
    """What `prunus` exports, by the package that it comes from."""
    sections: dict[str, list[str]] = {}
    for statement in ast.parse(STUB.read_text()).body:
        if isinstance(statement, ast.ImportFrom) and statement.module:
            entries = sections.setdefault(statement.module.partition(".")[0], [])
            entries += [_entry(alias.name) for alias in statement.names]
    parts = [f"## {title}\n\n" + "\n\n".join(entries) for title, entries in sections.items()]
    return "\n\n".join(["# Python", "What `import prunus` offers. Anything else may change without a word.", *parts])


def _entry(name: str) -> str:
    """Of an object under its public name, wherever it is defined."""
    found = getattr(prunus, name)
    options = f"    options:\n      heading: prunus.{name}\n      toc_label: {name}"
    return f"::: {found.__module__}.{found.__qualname__}\n{options}"


class Examples(griffe.Extension):
    """Sections called `Example`, as docstrings here have them, are what griffe calls `Examples`."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the section."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
