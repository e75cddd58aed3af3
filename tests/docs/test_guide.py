"""Every code block of the documentation does what it says."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from docs.code_blocks import PageRun

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*/README.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)")


def name(page):
    return str(page.relative_to(ROOT))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_runs(page, tmp_path, monkeypatch):
    run = PageRun(page.relative_to(ROOT), tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(run.site), *sys.path])
    run.run_all(page.read_text())


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", EXAMPLES, ids=name)
def test_every_example_runs(page, tmp_path):
    shutil.copytree(page.parent, tmp_path, dirs_exist_ok=True)
    PageRun(page.relative_to(ROOT), tmp_path).run_all(page.read_text())
    assert (tmp_path / "small" / "report.html").exists()


def test_every_example_is_in_the_list():
    assert {str(page.parent.name) for page in EXAMPLES} == set(
        re.findall(r"\| \[(\w+)\]", (ROOT / "examples" / "README.md").read_text())
    )


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_pages_import_is_public(page):
    for block in re.findall(r"```python.*?\n(.*?)```", page.read_text(), flags=re.DOTALL):
        for module in re.findall(r"^\s*(?:from|import) (prunus[\w.]*)", block, flags=re.MULTILINE):
            assert module == "prunus" or module.startswith("prunus.callbacks"), f"{page.name} imports {module}"


@pytest.mark.parametrize("page", [*PAGES, *EXAMPLES, *sorted((ROOT / "docs").glob("*/*.md"))], ids=name)
def test_every_link_leads_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in LINK.findall(text):
        file, _, anchor = target.partition("#")
        if ":" in file:
            continue
        place = page.parent / file if file else page
        assert place.exists(), f"{page.name} leads to {target}, which is not there"
        if anchor:
            assert anchor in anchors(place.read_text()), f"{page.name} leads to {target}, and there is no such heading"


def anchors(text):
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```python\nassert 1 == 2\n```", "page.md:2: "),
        ("\n```python\nprint('a')\n```\n```output\nb\n```", "page.md:6: the page shows"),
        ("```console\n$ false\n```", "page.md:2: 'false' .line 2. ended with 1"),
        ("```console\nprunus run\n```", "page.md:2: the first line is no command"),
        ("```console\n$ echo a b\na ... c\n```", "page.md:2: the page shows"),
        ("```console\n$ echo fine\nerror: not fine\n```", "ended with 0"),
        ("```toml\n[training]\nepoch = 3\n```", "did you mean 'epochs'"),
        ("```toml\n[recipe.mine]\npattern = 'elment'\n```", "Did you mean 'element'"),
        ("```\nwhat is this\n```", "nobody says how to run ''"),
        ("```python\nnever closed", "never closed"),
    ],
)
def test_a_block_that_is_not_true_is_found(text, message, tmp_path):
    run = PageRun(Path("page.md"), tmp_path)
    with pytest.raises(AssertionError, match="(?i)" + message):
        run.run_all(text)


def test_blocks_that_are_true_pass(tmp_path):
    run = PageRun(Path("page.md"), tmp_path)
    text = (
        "```python\nx = 1\n```\n```python\nprint(x, 'and more')\n```\n```output\n1 ...\n```\n"
        "```console\n$ echo a; echo b\na\n...\n```\n```console text\nrm -rf /\n```\n```toml\nrates = [0.2]\n```"
    )
    run.run_all(text)
