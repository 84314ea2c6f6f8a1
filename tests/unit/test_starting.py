"""What a start takes from the cache, and what it is made anew for."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pyebpf import cache, starting
from pyebpf.runtime.elf import parse_object
from pyebpf.spec.compiled import Compiled, Kept
from pyebpf.starting import compiler_stamp, recall

OBJECT = (Path(__file__).resolve().parents[1] / "data" / "one_object.o").read_bytes()
ASKED = (b"the probes", "GPL", "the kernel")


@pytest.fixture
def llvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep a start, made with an LLVM that is this file."""
    monkeypatch.setenv("PYEBPF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PYEBPF_CACHE", "on")
    file = tmp_path / "llvm.py"
    file.write_text("")
    monkeypatch.setitem(sys.modules, "llvmlite", SimpleNamespace(__file__=str(file)))  # type: ignore[misc]
    start = recall(*ASKED)
    assert start.kept is None
    compiled = Compiled(OBJECT, (), (), ())
    kept = Kept(start.origin, compiled, parse_object(OBJECT), b"", compiler=compiler_stamp())
    cache.write(start.name, kept.to_bytes())
    monkeypatch.delitem(sys.modules, "llvmlite")  # a start from the cache has not imported it
    return file


@pytest.mark.usefixtures("llvm")
def test_what_was_kept_is_taken() -> None:
    kept = recall(*ASKED).kept
    assert kept is not None
    assert kept.compiled.object == OBJECT
    assert kept.spec == parse_object(OBJECT)


@pytest.mark.usefixtures("llvm")
@pytest.mark.parametrize("place", range(3))
def test_what_was_made_from_or_for_something_else_is_not(place: int) -> None:
    asked = [b"other probes", "MIT", "another kernel"]
    other: list[object] = [*ASKED[:place], asked[place], *ASKED[place + 1 :]]
    assert recall(*other).kept is None  # type: ignore[arg-type]


@pytest.mark.usefixtures("llvm")
@pytest.mark.parametrize("what", ["__version__", "_code_stamp"])
def test_another_version_makes_it_anew(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, what, "9.9" if what == "__version__" else lambda: "later")
    assert recall(*ASKED).kept is None


def test_another_llvm_makes_it_anew(llvm: Path) -> None:
    os.utime(llvm, ns=(1, 1))
    assert recall(*ASKED).kept is None
    llvm.unlink()
    assert recall(*ASKED).kept is None


@pytest.mark.usefixtures("llvm")
def test_one_of_the_same_name_is_compared_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting.zlib, "crc32", lambda _: 1)
    kept = Kept(b"something else", Compiled(b"", (), (), ()), parse_object(OBJECT), b"")
    monkeypatch.setattr(cache, "read", lambda _: kept.to_bytes())
    assert recall(*ASKED).kept is None


@pytest.mark.usefixtures("llvm")
@pytest.mark.parametrize("data", [b"", b"\0", b"(\x01\0\0\0N", b"i\x01\0\0\0"])
def test_what_is_nothing_of_ours_is_none(data: bytes) -> None:
    cache.write(recall(*ASKED).name, data)
    assert recall(*ASKED).kept is None


def test_probes_that_cannot_be_described_are_never_kept() -> None:
    assert recall(None, "GPL", "the kernel") == starting.Start(None, b"", "")
