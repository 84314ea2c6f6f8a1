"""Functions by address: of this process, of files, of code that is made while it runs."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
from pathlib import Path

import pytest

from pyebpf.runtime import names
from pyebpf.runtime.names import KernelNames, ProcessNames, named


def address_of(function: object) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]


def test_functions_of_this_process() -> None:
    known = ProcessNames(os.getpid())
    start = address_of(ctypes.CDLL(None).getenv)
    assert known.name(start) == known.name(start + 3) == "getenv"
    assert known.name(start - 1) != "getenv"
    assert known.name(8) is None


def test_callers_are_looked_up_before_where_they_go_on() -> None:
    known, start = ProcessNames(os.getpid()), address_of(ctypes.CDLL(None).getenv)
    inner, outer, nowhere = named([start, start, 8], known)
    assert (inner, nowhere) == ("getenv", "0x8")
    assert outer == (known.name(start - 1) or f"{start:#x}")


def test_a_file_without_functions_is_named_itself(tmp_path: Path) -> None:
    path = tmp_path / "some data"
    path.write_bytes(bytes(4096))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 4096) as memory:
        view = (ctypes.c_char * 4096).from_buffer(memory)
        assert ProcessNames(os.getpid()).name(ctypes.addressof(view)) == "[some data]"
        del view


def test_code_that_is_made_at_run_time() -> None:
    with mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        view = (ctypes.c_char * (1 << 20)).from_buffer(memory)
        start = ctypes.addressof(view)
        path = Path(f"/tmp/perf-{os.getpid()}.map")
        path.write_text(f"{start + 0x10:x} 20 py::work:/a b.py\n{start + 0x40:x} 8 other\n")
        try:
            known = ProcessNames(os.getpid())
            found = [known.name(start + at) for at in (0xF, 0x10, 0x2F, 0x30, 0x47, 0x48)]
        finally:
            path.unlink()
        del view
    assert found == [None, "py::work:/a b.py", "py::work:/a b.py", None, "other", None]


def test_a_process_that_has_ended_is_not_known() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert ProcessNames(ended.pid).name(address_of(ctypes.CDLL(None).getenv)) is None


def test_functions_of_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tmp_path / "kallsyms"
    listed.write_text(
        "0000000000000000 A fixed_data\nffffffff81000040 T second\nffffffff81000000 t first\n"
        "ffffffff82000000 D data\nffffffffc0000000 t far\t[module]\n"
    )
    monkeypatch.setattr(names, "KALLSYMS", str(listed))
    known = KernelNames()
    at = [0x8, 0xFFFFFFFF81000000, 0xFFFFFFFF8100003F, 0xFFFFFFFF81000040, 0xFFFFFFFFC0000001]
    assert [known.name(one) for one in at] == [None, "first", "first", "second", "far"]
    assert known.name(0xFFFFFFFFF0000000) is None


def test_where_the_kernel_hides_addresses_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kallsyms").write_text("0000000000000000 T first\n0000000000000000 T second\n")
    monkeypatch.setattr(names, "KALLSYMS", str(tmp_path / "kallsyms"))
    assert KernelNames().name(0xFFFFFFFF81000000) is None
    monkeypatch.setattr(names, "KALLSYMS", str(tmp_path / "absent"))
    assert KernelNames().name(0xFFFFFFFF81000000) is None
