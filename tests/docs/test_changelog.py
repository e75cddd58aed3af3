"""CHANGELOG.md: versions, newest first, each with short entries under the headings of Keep a Changelog."""

import re
from collections import Counter
from pathlib import Path

import prunus

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CHANGELOG.md").read_text()
HEADINGS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
TWO_LINES = 240  # characters: two lines of 120


def entries():
    return [line for line in TEXT.splitlines() if line.startswith("- ")]


def released():
    """Numbers of the versions that were released, in the order of the file."""
    return re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$", TEXT, flags=re.MULTILINE)


def test_entries_are_short_and_each_is_there_once():
    assert [entry for entry in entries() if len(entry) > TWO_LINES] == []
    assert [entry for entry, times in Counter(entries()).items() if times > 1] == []


def test_versions_and_headings_are_in_order():
    titles = re.findall(r"^## (.*)$", TEXT, flags=re.MULTILINE)
    assert titles[0] == "[Unreleased]"
    assert len(titles) == 1 + len(released())
    assert released() == sorted(
        released(), key=lambda version: [int(part) for part in version.split(".")], reverse=True
    )
    for version in TEXT.split("\n## ")[1:]:
        found = re.findall(r"^### (.*)$", version, flags=re.MULTILINE)
        assert found == [heading for heading in HEADINGS if heading in found]


def test_every_entry_is_below_a_heading():
    for section in re.split(r"^##+ ", TEXT, flags=re.MULTILINE):
        heading = section.splitlines()[0]
        assert ("\n- " in section) == (heading in HEADINGS), heading


def test_the_package_is_the_version_under_way():
    following = re.search(r"^Will be (\d+\.\d+\.\d+)\.$", TEXT, flags=re.MULTILINE)
    assert following
    assert prunus.__version__.removesuffix(".dev0") == following[1]
    assert f"\nversion: {released()[0]}\n" in (ROOT / "CITATION.cff").read_text()
