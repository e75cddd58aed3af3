import pytest

from prunus.errors import InputError
from prunus.registry import Registry


def test_duplicates_are_refused():
    registry = Registry[int]("thing")
    registry.register("a", 1)
    with pytest.raises(InputError, match="registered twice"):
        registry.register("a", 2)
    assert registry.get("a") == 1


def test_names_keep_their_order():
    registry = Registry[int]("thing")
    for name in ("b", "a", "c"):
        registry.register(name, 0)
    assert registry.names() == tuple(registry) == ("b", "a", "c")


def test_entry_points_of_third_parties_are_found(tmp_path, monkeypatch):
    package = tmp_path / "other-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[prunus.odd_thing]\nseven = other_part:SEVEN\n")
    (tmp_path / "other_part.py").write_text("SEVEN = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry[int]("odd thing")
    assert registry.get("seven") == 7
