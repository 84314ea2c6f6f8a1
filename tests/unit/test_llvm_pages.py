"""Memory of LLVM's library: what is given back, and what never is."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyebpf.ir.llvm import pages

ROOT = Path(__file__).resolve().parents[2]
PAGES = 4
#: Compiles two programs in a process of its own; says how much of LLVM's library is mapped then.
COMPILING = """
from tests.compile import programs

def resident():
    maps = open("/proc/self/smaps").read().split("VmFlags")
    ours = [part for part in maps if "/libllvmlite" in part and "r-xp" in part]
    return sum(int(part.partition("Rss:")[2].split()[0]) for part in ours)

def compiled():
    return programs.one(programs.entry(lambda build, context: None))

before = resident()
first = compiled()
print(before, resident(), first == compiled())
"""


@pytest.fixture
def library(tmp_path: Path) -> Iterator[tuple[mmap.mmap, int]]:
    """Map a file with the name of LLVM's library, which nobody may write to; give its address."""
    path = tmp_path / "libLLVM-of-a-test.so"
    path.write_bytes(b"file" * (PAGES * mmap.PAGESIZE // 4))
    with path.open("r+b") as file:
        memory = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE)
    at = ctypes.c_char.from_buffer(memory)
    address = ctypes.addressof(at)
    yield memory, address
    del at
    memory.close()


def protect(address: int) -> None:
    size = ctypes.c_size_t(PAGES * mmap.PAGESIZE)
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(address), size, mmap.PROT_READ) == 0


def resident(address: int) -> int:
    with Path("/proc/self/pagemap").open("rb", buffering=0) as file:
        words = os.pread(file.fileno(), PAGES * 8, address // mmap.PAGESIZE * 8)
    return sum(byte >> 7 for byte in words[7::8])


def test_pages_of_the_file_are_given_back(library: tuple[mmap.mmap, int]) -> None:
    memory, address = library
    protect(address)
    assert memory[:4] == b"file"
    assert resident(address)
    pages.give_back()
    assert not resident(address)
    assert memory[:] == b"file" * (PAGES * mmap.PAGESIZE // 4)  # and are there again


def test_what_the_process_has_changed_stays(library: tuple[mmap.mmap, int]) -> None:
    memory, address = library
    memory[mmap.PAGESIZE : mmap.PAGESIZE + 4] = b"ours"
    protect(address)
    pages.give_back()
    assert memory[mmap.PAGESIZE : mmap.PAGESIZE + 4] == b"ours"


def test_what_may_be_written_is_passed_over(library: tuple[mmap.mmap, int]) -> None:
    memory, address = library
    assert memory[:4] == b"file"
    pages.give_back()
    assert resident(address)


def test_nothing_happens_where_the_kernel_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "pread", refuse)
    pages.give_back()


def test_a_compilation_leaves_nothing_of_the_library_behind() -> None:
    run = subprocess.run(
        [sys.executable, "-c", COMPILING], cwd=ROOT, capture_output=True, text=True, check=True
    )
    before, after, same = run.stdout.split()
    assert int(after) < int(before) / 4, "KiB of code"
    assert same == "True"
