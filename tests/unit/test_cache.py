"""The private cache: what it keeps, and what it refuses to trust."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from pyebpf import cache

ROOT = Path(__file__).resolve().parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file to another user")
NOBODY = 65534


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "deep" / "pyebpf"
    monkeypatch.setenv("PYEBPF_CACHE_DIR", str(place))
    monkeypatch.delenv("PYEBPF_CACHE", raising=False)
    return place


def test_what_is_written_is_read(directory: Path) -> None:
    cache.write("entry", b"\0data")
    assert cache.read("entry") == b"\0data"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "entry").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in directory.iterdir()] == ["entry"]


def test_empty_data_is_an_entry(directory: Path) -> None:
    cache.write("entry", b"")
    assert cache.read("entry") == b""


def test_the_last_write_wins(directory: Path) -> None:
    cache.write("entry", b"old")
    cache.write("entry", b"new")
    assert cache.read("entry") == b"new"


def test_reading_makes_no_directory(directory: Path) -> None:
    assert cache.read("entry") is None
    assert not directory.exists()


@pytest.mark.parametrize("cut", [0, 5, 16, -1])
def test_a_short_entry_is_removed(directory: Path, cut: int) -> None:
    cache.write("entry", b"0123456789")
    file = directory / "entry"
    file.write_bytes(file.read_bytes()[:cut])
    assert cache.read("entry") is None
    assert not file.exists()


def test_a_changed_entry_is_removed(directory: Path) -> None:
    cache.write("entry", b"0123456789")
    file = directory / "entry"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    assert cache.read("entry") is None
    assert not file.exists()


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_directory_that_others_may_write_is_no_cache(directory: Path, mode: int) -> None:
    cache.write("entry", b"data")
    directory.chmod(mode)
    assert cache.read("entry") is None
    cache.write("other", b"data")
    assert not (directory / "other").exists()
    directory.chmod(0o755)
    assert cache.read("entry") == b"data"


def test_a_link_to_a_directory_is_no_cache(directory: Path, tmp_path: Path) -> None:
    cache.write("entry", b"data")
    moved = directory.rename(tmp_path / "moved")
    directory.symlink_to(moved)
    assert cache.read("entry") is None


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_is_no_entry(directory: Path, mode: int) -> None:
    cache.write("entry", b"data")
    (directory / "entry").chmod(mode)
    assert cache.read("entry") is None


def test_a_link_is_no_entry(directory: Path, tmp_path: Path) -> None:
    cache.write("entry", b"data")
    moved = (directory / "entry").rename(tmp_path / "elsewhere")
    (directory / "entry").symlink_to(moved)
    assert cache.read("entry") is None


@as_root
@pytest.mark.parametrize("what", ["", "entry"])
def test_what_belongs_to_others_is_not_trusted(directory: Path, what: str) -> None:
    cache.write("entry", b"data")
    os.chown(directory / what, NOBODY, NOBODY)
    assert cache.read("entry") is None


@pytest.mark.parametrize(("mode", "trusted"), [(0o755, True), (0o777, False), (0o1777, True)])
def test_nobody_else_may_rename_what_is_above_it(directory: Path, mode: int, trusted: bool) -> None:
    cache.write("entry", b"data")
    directory.parent.chmod(mode)
    assert (cache.read("entry") == b"data") is trusted
    cache.write("other", b"data")
    assert (directory / "other").exists() is trusted


@as_root
@pytest.mark.parametrize("above", [0, 1])
def test_a_directory_of_somebody_else_above_it_is_not_trusted(
    directory: Path, monkeypatch: pytest.MonkeyPatch, above: int
) -> None:
    place = directory / "own" / "pyebpf"
    monkeypatch.setenv("PYEBPF_CACHE_DIR", str(place))
    cache.write("entry", b"data")
    assert cache.read("entry") == b"data"
    os.chown(place.parents[above], NOBODY, NOBODY)
    assert cache.read("entry") is None


@as_root
def test_nothing_is_made_in_a_place_that_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    os.chown(tmp_path, NOBODY, NOBODY)
    monkeypatch.delenv("PYEBPF_CACHE_DIR", raising=False)
    monkeypatch.delenv("PYEBPF_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # as `sudo -E` hands it on
    cache.write("entry", b"data")
    assert [*tmp_path.iterdir()] == []


@as_root
def test_a_group_of_ones_own_may_write_above_it_and_no_other(directory: Path) -> None:
    user = pwd.getpwuid(os.geteuid())
    own = grp.getgrgid(user.pw_gid)
    assert (own.gr_name, {*own.gr_mem} - {user.pw_name}) == (user.pw_name, set())
    cache.write("entry", b"data")
    directory.parent.chmod(0o775)
    assert cache.read("entry") == b"data"
    os.chown(directory.parent, -1, NOBODY)
    assert cache.read("entry") is None


@pytest.mark.parametrize(("mode", "trusted"), [(0o700, True), (0o777, False)])
def test_a_link_on_the_way_leads_to_what_is_checked(
    directory: Path, tmp_path: Path, mode: int, trusted: bool
) -> None:
    cache.write("entry", b"data")
    moved = directory.parent.rename(tmp_path / "moved")
    directory.parent.symlink_to(moved)
    moved.chmod(mode)
    assert (cache.read("entry") == b"data") is trusted


def test_a_directory_that_cannot_be_made_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("PYEBPF_CACHE_DIR", str(tmp_path / "file" / "pyebpf"))
    cache.write("entry", b"data")
    assert cache.read("entry") is None


def test_a_full_disk_is_no_error(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    cache.write("entry", b"old")
    monkeypatch.setattr(cache, "_write_file", full)
    cache.write("entry", b"new")
    assert cache.read("entry") == b"old"
    assert [p.name for p in directory.iterdir()] == ["entry"]


SMALL_DISK = """
mount -t tmpfs -o size=64k,mode=700 none "$1"
"$2" -c '
from pyebpf import cache
cache.write("entry", b"data")
cache.write("large", bytes(1 << 20))
print(cache.read("entry"), cache.read("large"))
'
mount -o remount,ro "$1"
"$2" -c '
from pyebpf import cache
cache.write("entry", b"newer")
cache.write("other", b"data")
print(cache.read("entry"), cache.read("other"))
'
ls -A "$1/pyebpf"
"""


@as_root
def test_a_disk_that_is_full_or_read_only_is_no_failure(directory: Path, tmp_path: Path) -> None:
    words = ["unshare", "--mount", "sh", "-e", "-c", SMALL_DISK, "sh"]
    done = subprocess.run(
        [*words, str(tmp_path), sys.executable], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYEBPF_CACHE_DIR": str(tmp_path / "pyebpf")}, check=False,
    )  # fmt: skip
    if "mount:" in done.stderr:
        pytest.skip(f"no file system can be mounted: {done.stderr}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["b'data' None", "b'data' None", "entry"]


WRITER = """
import sys
from pyebpf import cache
for number in range(200):
    cache.write("entry", sys.argv[1].encode() * (20_000 + number))
    found = cache.read("entry")
    assert found is not None and len({*found}) == 1, found and {*found}
"""


def test_processes_that_write_at_once_never_see_a_part(directory: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, letter], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        for letter in "ab"
    ]
    assert [writer.communicate()[1] for writer in writers] == ["", ""]
    assert [p.name for p in directory.iterdir()] == ["entry"]


def test_it_can_be_turned_off(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write("entry", b"data")
    monkeypatch.setenv("PYEBPF_CACHE", "off")
    assert cache.read("entry") is None
    cache.write("other", b"data")
    assert not (directory / "other").exists()


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a\0b"])
def test_names_are_plain(directory: Path, name: str) -> None:
    with pytest.raises(ValueError, match="plain file name"):
        cache.read(name)
    with pytest.raises(ValueError, match="plain file name"):
        cache.write(name, b"")


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PYEBPF_CACHE", "PYEBPF_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.path() == str(tmp_path / ".cache" / "pyebpf")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache.path() == "/xdg/pyebpf"
    monkeypatch.setenv("PYEBPF_CACHE_DIR", "/own")
    assert cache.path() == "/own"


@as_root
def test_root_leaves_nothing_in_the_home_of_a_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("PYEBPF_CACHE", "PYEBPF_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    os.chown(tmp_path, NOBODY, NOBODY)
    monkeypatch.setenv("HOME", str(tmp_path))
    where = cache.path()
    assert where is not None
    assert not where.startswith(str(tmp_path))


def test_the_oldest_entries_go_first(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT", 3000)
    for number, name in enumerate("abc"):
        cache.write(name, bytes(1000))
        os.utime(directory / name, (number, number))
    assert cache.read("a") is None
    assert cache.read("b") is not None
    assert cache.read("c") is not None
