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


@pytest.fixture
def broken_packages(tmp_path, monkeypatch):
    """One sound part among many that cannot be used."""
    package = tmp_path / "others-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    points = {
        "absent": "no_such_module:Part", "raising": "raising_part:Part", "leaving": "leaving_part:Part",
        "nameless": "sound_part:Nothing", "number": "sound_part:NUMBER", "own": "sound_part:Part",
        "fine": "sound_part:Part",
    }  # fmt: skip
    (package / "entry_points.txt").write_text(
        "[prunus.odder_thing]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
    )
    (tmp_path / "raising_part.py").write_text("1 / 0\n")
    (tmp_path / "leaving_part.py").write_text("import sys\nsys.exit('bye')\n")
    (tmp_path / "sound_part.py").write_text("class Part: ...\nNUMBER = 7\n")
    monkeypatch.syspath_prepend(tmp_path)


def test_a_broken_package_harms_no_other_and_is_named(broken_packages):
    registry = Registry[type]("odder thing")
    registry.register("own", int)
    assert registry.names() == ("own", "fine")
    assert registry.get("fine").__name__ == "Part"
    assert registry.get("own") is int
    assert len(registry.broken()) == 6  # one has a name that is taken
    for name in ("absent", "raising", "leaving", "nameless", "number"):
        with pytest.raises(InputError, match=f"The odder thing '{name}' of an installed package cannot be used"):
            registry.get(name)
    with pytest.raises(InputError, match="There is no odder thing 'other'"):
        registry.get("other")
