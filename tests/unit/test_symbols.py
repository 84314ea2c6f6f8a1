"""Functions by address: of this process, of files, of code that is made while it runs."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyebpf.errors import KernelError
from pyebpf.runtime import kallsyms, rust_names
from pyebpf.runtime.demangle import demangled
from pyebpf.runtime.mappings import mappings
from pyebpf.runtime.symbols import bpf_programs, kernel, process
from pyebpf.runtime.symbols.build_ids import BUILD_ID
from pyebpf.runtime.symbols.table import Table
from pyebpf.symbols import Frame, Symbols

PID = os.getpid()


def address_of(function: object) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]


GETENV = address_of(ctypes.CDLL(None).getenv)


def test_functions_of_this_process() -> None:
    inner, later, before, nowhere = Symbols().frames([GETENV, GETENV + 3, GETENV - 1, 8], PID)
    assert (inner.name, inner.offset, later.name, later.offset) == ("getenv", 0, "getenv", 3)
    assert inner.module.rpartition("/")[2].startswith("libc")
    assert before.name != "getenv"
    assert nowhere == Frame(8, "", 0, "")
    assert str(nowhere) == "0x8"


def test_callers_are_looked_up_before_where_they_go_on() -> None:
    inner, outer, nowhere = Symbols().frames([GETENV, GETENV, 8], PID, stack=True)
    (before,) = Symbols().frames([GETENV - 1], PID)
    assert (inner.name, str(nowhere)) == ("getenv", "0x8")
    assert (outer.name, outer.offset, outer.address) == (before.name, before.offset + 1, GETENV)


def test_a_file_without_functions_is_named_itself(tmp_path: Path) -> None:
    path = tmp_path / "some data"
    path.write_bytes(bytes(4096))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 4096) as memory:
        view = (ctypes.c_char * 4096).from_buffer(memory)
        (frame,) = Symbols().frames([ctypes.addressof(view) + 7], PID)
        del view
    assert (str(frame), frame.module, frame.offset) == ("[some data]", str(path), 7)


def test_the_vdso() -> None:
    (base,) = (row.start for row in mappings() if row.path == "[vdso]")
    size = next(row.end - row.start for row in mappings() if row.path == "[vdso]")
    frames = Symbols().frames(np.arange(base, base + size, 16, dtype=np.uint64), PID)
    assert {frame.module for frame in frames} == {"[vdso]"}
    assert {"clock_gettime", "getcpu"} <= {frame.name for frame in frames}


@pytest.fixture
def written() -> Path:
    """The file where compilers in this process would say what they made."""
    path = Path(f"/tmp/perf-{PID}.map")
    yield path
    path.unlink(missing_ok=True)


def test_code_that_is_made_at_run_time(written: Path) -> None:
    with mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        view = (ctypes.c_char * (1 << 20)).from_buffer(memory)
        start = ctypes.addressof(view)
        del view
        symbols = Symbols()
        at = [start + offset for offset in (0xF, 0x10, 0x2F, 0x30, 0x47, 0x48)]
        assert symbols.names(at, PID) == [f"{address:#x}" for address in at]
        written.write_text(f"{start + 0x10:x} 20 py::work:/a b.py\n{start + 0x40:x} 8 other\nbad\n")
        first = symbols.frames(at, PID)
        with written.open("a") as file:
            file.write(f"{start + 0x10:x} 80 made again\n")
        second = symbols.names([*at, start + 0x60], PID)
    work = "py::work:/a b.py"
    assert [frame.name for frame in first] == ["", work, work, "", "other", ""]
    assert (first[2].offset, first[2].module) == (0x1F, "[jit]")
    # The last line that has an address counts.
    assert second[1:6] == ["made again"] * 5
    assert second[6] == "made again"


def test_only_the_process_itself_names_its_code(written: Path, tmp_path: Path) -> None:
    with mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        view = (ctypes.c_char * 4096).from_buffer(memory)
        start = ctypes.addressof(view)
        del view
        os.mkfifo(written)  # nobody writes into it: opening it would wait for ever
        assert Symbols().names([start], PID) == [f"{start:#x}"]
        written.unlink()
        (tmp_path / "elsewhere").write_text(f"{start:x} 10 invented\n")
        written.symlink_to(tmp_path / "elsewhere")
        assert Symbols().names([start], PID) == [f"{start:#x}"]
        written.unlink()
        written.write_text(f"{start:x} 10 invented\n")
        if os.geteuid() == 0:
            os.chown(written, 12345, 12345)
            assert Symbols().names([start], PID) == [f"{start:#x}"]


def test_a_number_that_another_process_got_means_the_first(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        view = (ctypes.c_char * 4096).from_buffer(memory)
        start = ctypes.addressof(view)
        del view
        symbols = Symbols()
        assert symbols.names([GETENV, start], PID) == ["getenv", f"{start:#x}"]
        written.write_text(f"{start:x} 10 of another one\n")
        monkeypatch.setattr(process, "_started", lambda _: 1)  # not when it was seen first
        assert symbols.names([GETENV, start], PID) == ["getenv", f"{start:#x}"]
        symbols.forget(PID)
        assert symbols.names([GETENV, start], PID) == ["getenv", "of another one"]


def test_a_process_that_has_ended_is_not_known() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert Symbols().names([GETENV], ended.pid) == [f"{GETENV:#x}"]


# -- the kernel


def test_functions_of_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tmp_path / "kallsyms"
    text = (
        "0000000000000000 A fixed_data\nffffffff81000040 T second\nffffffff81000000 t first\n"
        "ffffffff81000000 t alias\nffffffff82000000 D data\nffffffffc0000000 t far\t[module]\n"
    )
    listed.write_text(text)
    monkeypatch.setattr(kernel, "KALLSYMS", str(listed))
    symbols = Symbols()
    at = [0x8, 0xFFFFFFFF81000000, 0xFFFFFFFF8100003F, 0xFFFFFFFF81000040, 0xFFFFFFFFC0000001]
    assert symbols.names(at) == ["0x8", "first", "first", "second", "far"]
    assert symbols.frames(at[-1:]) == [Frame(at[-1], "far", 1, "[module]")]
    late = 0xFFFFFFFFF0000010
    assert symbols.names([late]) == [hex(late)]
    with listed.open("a") as file:
        file.write(
            "fffffffff0000020 t bpf_prog_1_a\t[bpf]\nfffffffff0000080 t bpf_prog_2_b\t[bpf]\n"
        )
    assert symbols.names([late, late + 0x10]) == [hex(late), "bpf_prog_1_a"]
    # Behind the last function of a module, which may be long, a program has come.
    behind = 0xFFFFFFFFC0000240
    assert symbols.names([behind - 0x100]) == ["far"]
    with listed.open("a") as file:
        file.write("ffffffffc0000200 t bpf_prog_3_c\t[bpf]\n")
    assert symbols.names([behind]) == ["bpf_prog_3_c"]


def test_marks_in_modules_for_arm64_are_no_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "kallsyms"
    listed.write_text(
        "ffff800079a10000 t $x\t[module]\nffff800079a10000 t first\t[module]\n"
        "ffff800079a10020 t $d.1\t[module]\nffff800079a10040 t $x\t[module]\n"
        "ffff800079a10048 T second\t[module]\n"
    )
    monkeypatch.setattr(kernel, "KALLSYMS", str(listed))
    monkeypatch.setattr(kallsyms, "_FILE", str(listed))
    at = [0xFFFF800079A10000, 0xFFFF800079A10044, 0xFFFF800079A10048]
    assert Symbols().names(at) == ["first", "first", "second"]
    assert kallsyms.functions() == {"first", "second"}


def test_a_program_ends_where_the_kernel_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kallsyms").write_text("fffffffff0000020 t bpf_prog_1_a\t[bpf]\n")
    monkeypatch.setattr(kernel, "KALLSYMS", str(tmp_path / "kallsyms"))
    monkeypatch.setattr(bpf_programs, "lengths", lambda: {0xFFFFFFFFF0000020: 0x30})
    inside, behind = 0xFFFFFFFFF000004F, 0xFFFFFFFFF0000050
    assert Symbols().names([inside, behind]) == ["bpf_prog_1_a", hex(behind)]


def test_who_may_not_ask_for_programs_has_no_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(kind: str) -> None:
        raise KernelError(1, "CAP_SYS_ADMIN is needed")

    monkeypatch.setattr("pyebpf.runtime.syscall.ids", refuse)
    assert bpf_programs.lengths() == {}


def test_where_the_kernel_hides_addresses_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kallsyms").write_text("0000000000000000 T first\n0000000000000000 T second\n")
    monkeypatch.setattr(kernel, "KALLSYMS", str(tmp_path / "kallsyms"))
    assert Symbols().names([0xFFFFFFFF81000000]) == ["0xffffffff81000000"]
    monkeypatch.setattr(kernel, "KALLSYMS", str(tmp_path / "absent"))
    assert Symbols().names([0xFFFFFFFF81000000]) == ["0xffffffff81000000"]


# -- tables


PIECES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=12, unique_by=lambda piece: piece[0]
)


@given(PIECES)
def test_the_innermost_piece_has_an_address(pieces: list[tuple[int, int]]) -> None:
    starts = np.array([start for start, _ in pieces], np.uint64)
    ends = np.array([start + size for start, size in pieces], np.uint64)
    table = Table(starts, ends, str)
    for address, row in enumerate(table.rows(np.arange(100, dtype=np.uint64)).tolist()):
        holding = [n for n, (start, size) in enumerate(pieces) if start <= address < start + size]
        assert row == max(holding, key=lambda n: pieces[n][0], default=-1)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=12))
def test_the_last_piece_that_was_made_has_an_address(pieces: list[tuple[int, int]]) -> None:
    starts = np.array([start for start, _ in pieces], np.uint64)
    ends = np.array([start + size for start, size in pieces], np.uint64)
    table = Table(starts, ends, str, np.arange(len(pieces)))
    for address, row in enumerate(table.rows(np.arange(100, dtype=np.uint64)).tolist()):
        holding = [n for n, (start, size) in enumerate(pieces) if start <= address < start + size]
        assert row == max(holding, default=-1)


# -- build ids


def test_a_build_id_that_is_not_known_is_named_itself() -> None:
    places = np.zeros(2, BUILD_ID)
    places["status"], places["offset"] = (1, 2), (0x1234, GETENV)
    places["build_id"][0] = range(20)
    first, second = Symbols().frames(places, PID)
    ident = bytes(range(20)).hex()
    assert first == Frame(0x1234, "", 0x1234, f"build-id:{ident}")
    assert str(first) == f"[build-id:{ident}]"
    assert second.name == "getenv"


# -- names of Rust


RUST = """\
_RNvCsgEmfK2I1SDS_4shop4main
    shop::main
_RINvMNtCsgEmfK2I1SDS_4core3stre18trim_start_matchesReECs1_1a
    <str>::trim_start_matches::<&str>
_RNCNCNvCs1_1a1b0s_0Cs1_1x
    a::b::{closure#0}::{closure#1}
_RNvXCs1_1aINtCs1_1a2SqKj7_ENtCs1_1a5Shape4area
    <a::Sq<7> as a::Shape>::area
_RINvCs1_1a1fTRhQFUKCjEbDNtCs1_1a1TEL_EE
    a::f::<(&u8, &mut unsafe extern "C" fn(usize) -> bool, dyn a::T)>
_RINvCs1_1a1fPlOSdDINtCs1_1a2ItbEp1XhNtCs1_1a1SEL_FG_RL0_mEuE
    a::f::<*const i32, *mut [f64], dyn a::It<bool, X = u8> + a::S, for<'a> fn(&'a u32)>
_RNvCs1_1au9bcher_kva.llvm.123
    a::bücher
_RINvCs1_1a1fAhj4_Kb1_Kin5_Kc41_E
    a::f::<[u8; 4], true, -5, 'A'>
_ZN4core3ptr46drop_in_place$LT$alloc..vec..Vec$LT$u8$GT$$GT$17h0c2e2d67cdfecac2E.llvm.22
    core::ptr::drop_in_place<alloc::vec::Vec<u8>>
_ZN42_$LT$$RF$T$u20$as$u20$core..fmt..Debug$GT$3fmt17hde1eeb08801857e2E
    <&T as core::fmt::Debug>::fmt
"""
ROWS = RUST.splitlines()
NO_RUST = (
    "_R", "_RB_", "_RNvCs1_1a9short", "_RINvCs1_1a1fAhj4_Kb1_Kql5_E", "_RNvCs1_1a1bzzz",
    "_ZN99shop17h0c2e2d67cdfecac2E",
)  # fmt: skip


@pytest.mark.parametrize(("name", "meaning"), list(zip(ROWS[::2], ROWS[1::2], strict=True)))
def test_names_of_rust(name: str, meaning: str) -> None:
    assert demangled(name) == meaning.strip()


@pytest.mark.parametrize("name", NO_RUST)
def test_what_is_no_name_of_rust_stays(name: str) -> None:
    assert demangled(name) == name


def test_a_name_of_rust_that_is_endless_is_none() -> None:
    doubled = "_RINvCs1_1a1f" + "T" * 300 + "h" + "E" * 300 + "E"
    assert rust_names.v0(doubled) is None
    inner, size = "TTTTTTTThhhhhhhhhhhhhhhhE", 0
    text = "_RINvCs1_1a1f" + inner + "E" * 7
    for _ in range(40):  # each of them twice what stands before
        at = len(text) - 2 - size
        text += f"TB{rust_names._DIGITS[at % 62]}_B{rust_names._DIGITS[at % 62]}_E"
    assert rust_names.v0(text + "E") is None


@given(st.text(alphabet="CNvMXYIBEs_T0123456789hRLKSAFDpn", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = rust_names.v0(f"_R{text}")
    assert found is None or isinstance(found, str)
