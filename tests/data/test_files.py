from __future__ import annotations

import functools
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from prunus.data.files import Download, Files
from prunus.errors import MissingError
from prunus.system.reading import cache_folder
from security.corpus import MARK, climbing_tar


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A real server on this machine, and the folder it serves."""
    (tmp_path / "served").mkdir()
    handler = functools.partial(Silent, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/", tmp_path / "served"
        running.shutdown()
        thread.join()


def put(folder: Path, name: str, content: bytes) -> str:
    """Serve a file; returns its MD5."""
    (folder / name).write_bytes(content)
    return hashlib.md5(content).hexdigest()


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"inside/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_a_file_is_downloaded_only_if_asked_and_only_once(server: tuple[str, Path], tmp_path: Path) -> None:
    address, served = server
    md5 = put(served, "data", b"content")
    files = Files("mine", ("data",), (Download(address + "data", md5),))
    target = tmp_path / "target"
    with pytest.raises(MissingError, match="'mine' are not there"):
        files.find(str(target), download=False)
    (found,) = files.find(str(target), download=True)
    assert found == target / "data"
    assert found.read_bytes() == b"content"
    (served / "data").unlink()
    assert files.find(str(target), download=True) == (found,)


def test_an_archive_is_unpacked(server: tuple[str, Path], tmp_path: Path) -> None:
    address, served = server
    md5 = put(served, "all.tar.gz", archive(one=b"1", two=b"2"))
    files = Files("mine", ("one", "two"), (Download(address + "all.tar.gz", md5, archive=True),), ("", "inside"))
    assert [path.read_bytes() for path in files.find(str(tmp_path / "target"), download=True)] == [b"1", b"2"]
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["inside"]


def test_an_archive_that_climbs_out_is_refused(server: tuple[str, Path], tmp_path: Path) -> None:
    address, served = server
    md5 = put(served, "all.tar.gz", climbing_tar())
    files = Files("mine", ("one",), (Download(address + "all.tar.gz", md5, archive=True),))
    with pytest.raises(MissingError, match="cannot be downloaded"):
        files.find(str(tmp_path / "target"), download=True)
    assert not list(tmp_path.rglob(MARK))
    assert not Path("/tmp", MARK).exists()
    assert list((tmp_path / "target").iterdir()) == []


def test_a_wrong_checksum_is_refused(server: tuple[str, Path], tmp_path: Path) -> None:
    address, served = server
    put(served, "data", b"content")
    files = Files("mine", ("data",), (Download(address + "data", "0" * 32),))
    with pytest.raises(MissingError, match=r"'mine' cannot be downloaded.*data failed: .*corrupt"):
        files.find(str(tmp_path / "target"), download=True)
    assert list((tmp_path / "target").iterdir()) == []


def test_an_absent_server_is_named(tmp_path: Path) -> None:
    files = Files("mine", ("data",), (Download("http://127.0.0.1:9/data", "0" * 32),))
    with pytest.raises(MissingError, match=r"\. Fetching http://127.0.0.1:9/data failed: .*refused"):
        files.find(str(tmp_path / "target"), download=True)


def test_without_a_folder_downloads_go_to_the_cache(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    address, served = server
    md5 = put(served, "data", b"content")
    files = Files("mine", ("data",), (Download(address + "data", md5),), usual=(str(tmp_path / "usual"),))
    assert files.find(None, download=True) == (cache_folder("mine") / "data",)
    assert cache_folder("mine") == tmp_path / "cache" / "prunus" / "mine"


def test_files_of_two_layouts_are_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "one").touch()
    (tmp_path / "inside" / "two").touch()
    files = Files("mine", ("one", "two"), (), ("", "inside"))
    with pytest.raises(MissingError, match="There is no two in"):
        files.find(str(tmp_path), download=False)


def test_what_is_there_is_not_downloaded_again(server: tuple[str, Path], tmp_path: Path) -> None:
    address, served = server
    md5 = put(served, "two", b"2")
    files = Files("mine", ("one", "two"), (Download(address + "one", "0" * 32), Download(address + "two", md5)))
    (tmp_path / "one").write_bytes(b"1")
    assert [path.read_bytes() for path in files.find(str(tmp_path), download=True)] == [b"1", b"2"]
