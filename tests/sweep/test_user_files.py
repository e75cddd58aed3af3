from prunus.spec import load_study
from prunus.sweep.opened_files import user_files
from prunus.sweep.provenance import code_digest
from small_study import STUDY


def study_of(folder):
    (folder / "s.toml").write_text(STUDY.replace('{ name = "mlp", hidden = [12] }', '"net.py:build"'))
    return load_study(folder / "s.toml")


def test_neighbours_that_are_imported_belong_to_the_code(tmp_path):
    (tmp_path / "net.py").write_text(
        "import os, torch\nfrom parts.blocks import MeasurementBlock\ndef build():\n    import late\n"
    )
    (tmp_path / "late.py").write_text("import net")  # a circle
    (tmp_path / "unused.py").write_text("")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("")
    (tmp_path / "parts" / "blocks.py").write_text("from . import sizes\nfrom ..late import x\n")
    (tmp_path / "parts" / "sizes.py").write_text("WIDTH = 3")
    names = [str(path.relative_to(tmp_path)) for path in user_files(study_of(tmp_path))]
    assert names == ["late.py", "net.py", "parts/__init__.py", "parts/blocks.py", "parts/sizes.py"]


def test_a_change_in_an_imported_file_is_a_change_of_code(tmp_path):
    (tmp_path / "net.py").write_text("import layers")
    (tmp_path / "layers.py").write_text("WIDTH = 3")
    before = code_digest(study_of(tmp_path))
    (tmp_path / "layers.py").write_text("WIDTH = 4")
    assert code_digest(study_of(tmp_path)) != before


def test_a_file_that_cannot_be_parsed_still_counts(tmp_path):
    (tmp_path / "net.py").write_text("def build(:")
    assert [path.name for path in user_files(study_of(tmp_path))] == ["net.py"]
