import os
from pathlib import Path

import pytest

from prunus.measure.findings import examine
from prunus.measure.runtimes.onnx_runtime import OnnxRuntime


def found(folder):
    return {(finding.group, finding.name): finding for finding in examine(folder)}


def test_what_is_there_is_found(tmp_path):
    findings = found(tmp_path / "not" / "yet")
    assert findings["runtime", "torch"].found
    assert findings["data", "digits"].found
    assert findings["folder", "writable"].detail == str(tmp_path), "the nearest folder that exists"
    assert not list(tmp_path.iterdir())


def test_what_is_missing_comes_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(OnnxRuntime, "available", lambda self: "run: pip install onnxruntime")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    findings = found(tmp_path)
    for place in (("runtime", "onnxruntime"), ("compiler", "C++"), ("data", "svhn")):
        assert not findings[place].found
        assert findings[place].do
    assert findings["runtime", "onnxruntime"].needed
    assert not findings["data", "svhn"].needed


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    finding = found(tmp_path)["folder", "writable"]
    assert (finding.found, finding.needed) == (False, True)


def test_a_file_system_that_is_read_only():
    finding = found(Path("/proc/nowhere"))["folder", "writable"]
    assert (finding.found, finding.needed) == (False, True)
