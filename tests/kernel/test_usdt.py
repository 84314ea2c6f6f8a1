"""USDT probes of binaries made here and of Debian's: every form of argument, counted to the last.

Each probe is for one process and a private copy of its file, so nobody else is seen or slowed.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyebpf import (
    Array,
    Hash,
    TailCalls,
    UprobeContext,
    UserPtr,
    compile_probes,
    first_of,
    helpers,
    i8,
    i16,
    i32,
    i64,
    load,
    read_user_str,
    tid,
    u8,
    u16,
    u32,
    u64,
    uprobe,
    usdt,
)
from pyebpf.dsl import compile as compiler
from pyebpf.dsl.probes import Probe
from pyebpf.errors import AttachError, CompileError, PyebpfError
from pyebpf.runtime.binaries import find_binary
from pyebpf.runtime.image import open_image
from pyebpf.runtime.links import usdt as attaching
from pyebpf.runtime.usdt.notes import sites_of
from tests.turns import Turning, interpreter, turning  # noqa: F401 - one is a fixture

pytestmark = pytest.mark.kernel

HERE = Path(__file__).parents[1] / "data" / "c"
ME = os.getpid()
CALLS = 23
WORDS = (0x8182838485868788, 0xF1F2F3F4F5F6F7F8, 2, 3, 4, 5, 6, 7)

#: Signed, so that every number that is read shows.
values = Array[i64](max_entries=16)
counts = Hash[u64, u64](max_entries=64)

only_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="written for x86-64")


def compiled(source: str, made: Path, compiler: str, *flags: str) -> Path:
    """Compile a file of tests/data/c, or skip."""
    path = shutil.which(compiler)
    if path is None or not shutil.which("dtrace"):
        pytest.skip(f"needs {compiler} and sys/sdt.h (Debian package systemtap-sdt-dev)")
    subprocess.run([path, *flags, "-o", made, HERE / source], check=True)
    return made


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("usdt") / "libprobes.so"
    return compiled("usdt.c", made, "gcc", "-O2", "-fPIC", "-shared")


@pytest.fixture(scope="module")
def called(library: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(library))


BUILDS = {
    "gcc-pie": ("gcc", "-O2", "-fPIE", "-pie"),
    "gcc-no-pie": ("gcc", "-O2", "-fno-pie", "-no-pie"),
    "gcc-unoptimised": ("gcc", "-O0", "-fPIE", "-pie"),
    "clang": ("clang", "-O2", "-fPIE", "-pie"),
}


#: What a compiler makes is the same on each kernel: one of them is enough to see how it takes it.
_EACH = [name if name == "gcc-pie" else pytest.param(name, marks=pytest.mark.thorough)
         for name in BUILDS]  # fmt: skip


@pytest.fixture(scope="module", params=_EACH)
def binary(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler, *flags = BUILDS[request.param]
    made = tmp_path_factory.mktemp("usdt") / "probes"
    return compiled("usdt.c", made, compiler, *flags, "-DPROGRAM")


@pytest.fixture
def program(binary: Path) -> Iterator[Turning]:
    with turning(binary) as started:
        started.turn()  # number 1: what it reads itself is in memory from now on
        yield started


def values_after(probe: Probe, act: Callable[[], object], number: int) -> list[int]:
    """Return what the probe put into ``values`` while something happened."""
    with load(probe) as opened:
        act()
        return [int(opened[values][at]) for at in range(number)]


# -- what compilers print


def test_each_width_and_sign(binary: Path, program: Turning) -> None:
    @usdt(binary, "usdt:widths", pid=program.pid)
    def widths(
        ctx: UprobeContext, a: i8, b: u8, c: i16, d: u16, e: i32, f: u32, g: i64, h: u64,
        text: UserPtr[u8],
    ) -> None:  # fmt: skip
        values[0] = a
        values[1] = b
        values[2] = c
        values[3] = d
        values[4] += e
        values[5] = f
        values[6] = g
        values[7] = h
        values[8] += read_user_str(text, 16) == "hello"

    seen = values_after(widths, lambda: program.turn(3), 9)
    assert seen == [-1, 255, -2, 65535, -2 - 3 - 4, 4_000_000_000, -4, -5, 3]


def test_wider_types_are_exact(binary: Path, program: Turning) -> None:
    @usdt(binary, "usdt:widths", pid=program.pid)
    def widths(ctx: UprobeContext, a: i64, b: i16, c: i32, d: i32, e: i64, f: i64, g: u64) -> None:
        values[0] = a
        values[1] = b
        values[2] = c
        values[3] = d
        values[4] = e
        values[5] = f
        values[6] = g == 0xFFFF_FFFF_FFFF_FFFC

    seen = values_after(widths, program.turn, 7)
    assert seen == [-1, 255, -2, 65535, -2, 4_000_000_000, 1]


def test_constants(binary: Path, program: Turning) -> None:
    @usdt(binary, "constants", pid=program.pid)
    def constants(ctx: UprobeContext, a: u8, b: i8, c: u64, d: i32) -> None:
        values[0] = a
        values[1] = b
        values[2] = c
        values[3] = d

    assert values_after(constants, program.turn, 4) == [7, -9, 0x1234567890, -1]


def test_memory_and_truth(binary: Path, program: Turning) -> None:
    @usdt(binary, "usdt:in_memory", pid=program.pid)
    def in_memory(ctx: UprobeContext, first: i32, second: i64, pairs: bool) -> None:
        values[0] = first
        values[1] = second
        values[2] = pairs

    assert values_after(in_memory, program.turn, 3) == [-3, -4, 1]


def test_every_place_has_its_own_operand(binary: Path, program: Turning) -> None:
    @usdt(binary, "usdt:several", pid=program.pid)
    def several(ctx: UprobeContext, number: i64) -> None:
        values[0] += number
        values[1] += 1
        counts[ctx.ip] += 1

    with load(several) as opened:
        program.turn(CALLS)
        total = -sum(range(2, CALLS + 2)) + CALLS * (1_000 + (1 << 40))
        assert [int(opened[values][at]) for at in (0, 1)] == [total, 3 * CALLS]
        assert sorted(dict(opened[counts].items()).values()) == [CALLS] * 3
        opened.detach()
        program.turn()
        assert opened[values][1] == 3 * CALLS


@pytest.mark.parametrize("at_once", [True, False])
def test_places_are_attached_at_once_or_one_by_one(
    library: Path,
    called: ctypes.CDLL,
    requires: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    at_once: bool,
) -> None:
    requires("cookie")
    if at_once:
        requires("prog:uprobe.multi")
    else:
        monkeypatch.setattr(attaching, "_at_once", lambda *_: False)

    @usdt(library, "usdt:several")
    def several(ctx: UprobeContext, number: i64) -> None:
        counts[helpers.get_attach_cookie(ctx)] += number

    @usdt(library, "tw*")
    def both(ctx: UprobeContext) -> None:
        counts[helpers.get_attach_cookie(ctx)] += 1

    with load(several, both, attach=False) as opened:
        link = opened.attach(several, pid=ME, cookie=5)
        opened.attach(both, pid=ME, cookie=6)
        for _ in range(CALLS):
            called.several(1, ctypes.c_long(2))
            called.twice()
        assert dict(opened[counts].items()) == {5: 1_003 * CALLS, 6: 2 * CALLS}
        link.close()
        called.several(1, ctypes.c_long(2))
        assert opened[counts][5] == 1_003 * CALLS


# -- what is written by hand


@only_x86
def test_each_register(binary: Path, program: Turning) -> None:
    @usdt(binary, "usdt:registers", pid=program.pid)
    def registers(
        ctx: UprobeContext, rax: u64, eax: u32, signed: i32, ax: u16, al: u8, ah: u8, short: i16,
        r8: u64, r8d: u32, r8w: u16, r8b: u8, r9d: i32,
    ) -> None:  # fmt: skip
        values[0] = rax
        values[1] = eax
        values[2] = signed
        values[3] = ax
        values[4] = al
        values[5] = ah
        values[6] = short
        values[7] = r8
        values[8] = r8d
        values[9] = r8w
        values[10] = r8b
        values[11] = r9d

    seen = values_after(registers, program.turn, 12)
    assert [value & (1 << 64) - 1 for value in (seen[0], seen[7])] == [
        0x91A2B3C4D5E6F708, 0xA1B2C3D4E5F6A7B8,
    ]  # fmt: skip
    assert seen[1:7] == [0xD5E6F708, 0xD5E6F708 - (1 << 32), 0xF708, 0x08, 0xF7, 0xF708 - (1 << 16)]
    assert seen[8:] == [0xE5F6A7B8, 0xA7B8, 0xB8, -2]


@only_x86
def test_more_registers_and_a_size_that_is_left_out(binary: Path, program: Turning) -> None:
    @usdt(binary, "usdt:more_registers", pid=program.pid)
    def more(ctx: UprobeContext, dil: i8, r9w: i16, rdi: i64, eax: u32, cx: u16, r8b: i8) -> None:
        values[0] = dil
        values[1] = r9w
        values[2] = rdi
        values[3] = eax
        values[4] = cx
        values[5] = r8b

    seen = values_after(more, program.turn, 6)
    assert seen == [-7, -2, -7, 0xD5E6F708, 2, 0xB8 - 256]


@only_x86
def test_each_form_of_memory(binary: Path, program: Turning) -> None:
    @usdt(binary, "usdt:memory", pid=program.pid)
    def memory(
        ctx: UprobeContext, plain: u64, after: i32, inside: u16, index: u8, scaled: i8, far: u64,
        no_base: u64, before: i64, hexadecimal: u32,
    ) -> None:  # fmt: skip
        values[0] = plain
        values[1] = after
        values[2] = inside
        values[3] = index
        values[4] = scaled
        values[5] = far
        values[6] = no_base
        values[7] = before
        values[8] = hexadecimal

    seen = values_after(memory, program.turn, 9)
    data = b"".join(word.to_bytes(8, "little") for word in WORDS)
    first = int.from_bytes(data[:8], "little", signed=True)
    assert seen == [
        first,
        int.from_bytes(data[8:12], "little", signed=True),
        int.from_bytes(data[6:8], "little"),
        data[1],
        int.from_bytes(data[2:3], "little", signed=True),
        WORDS[4],
        first,
        int.from_bytes(data[8:16], "little", signed=True),
        int.from_bytes(data[4:8], "little"),
    ]


@only_x86
def test_symbols(binary: Path, program: Turning) -> None:
    @usdt(binary, "usdt:symbols", pid=program.pid)
    def symbols(
        ctx: UprobeContext, word: u64, half: u32, more: i16, address: u64, further: u64, here: u64
    ) -> None:
        values[0] = word
        values[1] = half
        values[2] = more
        values[3] = address - here
        values[4] = further - here

    seen = values_after(symbols, program.turn, 5)
    assert seen == [WORDS[0] - (1 << 64), WORDS[0] >> 32, (WORDS[1] & 0xFFFF) - (1 << 16), 0, 16]


def test_written_constants(binary: Path, program: Turning) -> None:
    @usdt(binary, "usdt:written", pid=program.pid)
    def written(ctx: UprobeContext, a: i8, b: u8, c: u8, d: i8, e: i64) -> None:
        values[0] = a
        values[1] = b
        values[2] = c
        values[3] = d
        values[4] = e

    assert values_after(written, program.turn, 5) == [-9, 16, 5, -1, -1]


def test_what_cannot_be_read_is_zero(library: Path, called: ctypes.CDLL) -> None:
    @usdt(library, "usdt:nothing_there", pid=ME)
    def nothing_there(ctx: UprobeContext, first: u64, second: u32) -> None:
        values[0] = first + second
        values[1] += 1

    assert values_after(nothing_there, called.by_hand, 2) == [0, 1]


@pytest.mark.thorough
@only_x86
def test_what_no_program_can_read_is_named(library: Path, called: ctypes.CDLL) -> None:
    @usdt(library, "usdt:unreadable", pid=ME)
    def passes_it(ctx: UprobeContext, number: u64, rax: u64) -> None:
        values[0] += rax == 0x91A2B3C4D5E6F708

    assert values_after(passes_it, called.by_hand, 1) == [1]

    @usdt(library, "usdt:unreadable", pid=ME)
    def floating(ctx: UprobeContext, number: u64) -> None:
        values[0] = number

    @usdt(library, "usdt:unreadable", pid=ME)
    def local(ctx: UprobeContext, a: u64, b: u64, c: u32) -> None:
        values[0] = c

    @usdt(library, "usdt:unreadable", pid=ME)
    def large(ctx: UprobeContext, a: u64, b: u64, c: u64, d: u64) -> None:
        values[0] = d

    @usdt(library, "usdt:unreadable", pid=ME)
    def in_memory(ctx: UprobeContext, a: u64, b: u64, c: u64, d: u64, e: u64) -> None:
        values[0] = e

    @usdt(library, "usdt:unreadable", pid=ME)
    def gone(ctx: UprobeContext, a: u64, b: u64, c: u64, d: u64, e: u64, f: u64) -> None:
        values[0] = f

    for probe, why in {
        floating: "argument `number` cannot be read: it is in the floating-point register %xmm0",
        local: "argument `c` cannot be read: it is '%fs:16', relative to the segment fs",
        large: "argument `d` cannot be read: it is 16 bytes large",
        in_memory: "argument `e` cannot be read: it is a floating-point number",
        gone: "an argument is at the symbol 'nowhere', which was stripped",
    }.items():
        with pytest.raises(AttachError) as refused:
            load(probe)
        assert why in str(refused.value)
        assert "USDT probe usdt:unreadable at 0x" in str(refused.value)


# -- which probe


def test_as_glibc_has_it(library: Path, called: ctypes.CDLL) -> None:
    @usdt(library, "setjmp", pid=ME)
    def jumps(ctx: UprobeContext, env: UserPtr[u64], saves: i32, address: u64) -> None:
        values[0] += env[0]
        values[1] += saves
        values[2] = address

    word = ctypes.c_uint64(9)
    with load(jumps) as opened:
        for _ in range(CALLS):
            called.setjmp_like(ctypes.byref(word), 1, ctypes.c_void_p(77))
        assert [int(opened[values][at]) for at in range(3)] == [9 * CALLS, CALLS, 77]


def test_libc_is_found_by_each_of_its_names() -> None:
    path = find_binary("c")
    assert find_binary("libc") == find_binary("libc.so.6") == path

    @usdt("libc", "setjmp", pid=ME)
    def jumps(ctx: UprobeContext) -> None:
        values[0] += 1

    with open_image(path) as image:
        has_it = any(site.name == "setjmp" for site in sites_of(image))
    if has_it:
        load(jumps).close()
    else:
        with pytest.raises(AttachError, match=r"libc.* has no USDT prob"):
            load(jumps)


@pytest.mark.thorough
def test_an_unknown_probe_names_the_nearest(library: Path) -> None:
    def refused(name: str, path: str | Path = library) -> str:
        @usdt(path, name, pid=ME)
        def probe(ctx: UprobeContext) -> None:
            values[0] += 1

        with pytest.raises(AttachError) as error:
            load(probe)
        return str(error.value)

    assert "no USDT probe 'usdt:widhts'; the nearest: usdt:widths" in refused("usdt:widhts")
    assert "no USDT probe 'setjump'; the nearest: libc:setjmp" in refused("setjump")
    assert "no USDT probe 'other:widths'; the nearest: usdt:widths" in refused("other:widths")
    assert "it has first:twice, libc:setjmp, " in refused("entirely_different")
    assert "has first:twice and second:twice: name the provider too" in refused("twice")
    assert "has no USDT probes: it was built without <sys/sdt.h>" in refused("any", "true")


def test_a_pattern_is_for_all_that_it_matches(library: Path, called: ctypes.CDLL) -> None:
    @usdt(library, "tw*", pid=ME)
    def both(ctx: UprobeContext) -> None:
        counts[1] += 1

    with load(both) as opened:
        called.twice()
        assert opened[counts][1] == 2


def test_arguments_that_do_not_fit_are_refused(library: Path, called: ctypes.CDLL) -> None:
    def refused(probe: Probe) -> str:
        with pytest.raises(AttachError) as error:
            load(probe)
        return str(error.value)

    @usdt(library, "usdt:several", pid=ME)
    def narrow(ctx: UprobeContext, number: i32) -> None:
        values[0] = number

    @usdt(library, "usdt:widths", pid=ME)
    def unsigned(ctx: UprobeContext, a: u8) -> None:
        values[0] = a

    @usdt(library, "usdt:widths", pid=ME)
    def pointer(ctx: UprobeContext, a: UserPtr[u8]) -> None:
        values[0] = a[0]

    @usdt(library, "usdt:constants", pid=ME)
    def small(ctx: UprobeContext, a: u8, b: u16) -> None:
        values[0] = b

    @usdt(library, "usdt:constants", pid=ME)
    def many(ctx: UprobeContext, a: u8, b: i8, c: u64, d: i8, e: u8) -> None:
        values[0] = a

    assert "`number: i32` gets i64 there: declare i64, or u64 or i64, which take" in refused(narrow)
    assert "`a: u8` gets i8 there: declare i8" in refused(unsigned)
    assert "gets i8 there" in refused(pointer)
    assert "`b: u16` gets -9 there: declare i32" in refused(small)
    assert "it has 4 arguments, and 5 are declared" in refused(many)


def test_a_probe_of_another_machine_is_refused(library: Path, tmp_path: Path) -> None:
    data = bytearray(library.read_bytes())
    data[18:20] = (183 if platform.machine() == "x86_64" else 62).to_bytes(2, "little")
    other = tmp_path / "other.so"
    other.write_bytes(data)

    @usdt(other, "usdt:widths", pid=ME)
    def probe(ctx: UprobeContext) -> None:
        values[0] += 1

    with pytest.raises(AttachError, match=f"this machine is {platform.machine()}"):
        load(probe)


# -- processes


def test_only_one_of_two_processes_is_seen(binary: Path, program: Turning) -> None:
    @usdt(binary, "usdt:constants", pid=program.pid)
    def constants(ctx: UprobeContext) -> None:
        counts[2] += 1

    with turning(binary) as other, load(constants) as opened:
        other.turn(CALLS)
        program.turn(2)
        assert opened[counts][2] == 2


def test_a_process_in_a_container_is_reached_through_itself(
    binary: Path, library: Path, tmp_path: Path
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    enter = (
        f"mount -t tmpfs tmpfs {inside} && cp {binary} {library} {inside} && exec {inside}/probes"
    )
    with turning("unshare", "--mount", "sh", "-c", enter) as started:
        started.turn()
        assert not list(inside.iterdir())

        @usdt(f"/proc/{started.pid}/exe", "usdt:constants", pid=started.pid)
        def constants(ctx: UprobeContext, a: u8) -> None:
            counts[4] += a

        @usdt(f"/proc/{started.pid}/root{inside}/libprobes.so", "usdt:constants", pid=started.pid)
        def not_loaded(ctx: UprobeContext) -> None:
            counts[5] += 1

        with load(constants, not_loaded) as opened:
            started.turn(CALLS)
            assert dict(opened[counts].items()) == {4: 7 * CALLS}


def test_it_is_attached_later_to_one_process_after_the_other(binary: Path) -> None:
    @usdt(binary, "usdt:widths")
    def widths(ctx: UprobeContext, a: i8) -> None:
        counts[3] += 1
        values[0] += a

    with turning(binary) as first, turning(binary) as second, load(widths, attach=False) as opened:
        link = opened.attach(widths, pid=first.pid)
        first.turn(3)
        second.turn(5)
        link.close()
        opened.attach(widths, pid=second.pid)
        first.turn(7)
        second.turn(11)
        assert (opened[counts][3], opened[values][0]) == (14, -14)


def test_a_cookie_arrives(
    library: Path, called: ctypes.CDLL, requires: Callable[[str], None]
) -> None:
    requires("cookie")

    @usdt(library, "usdt:constants")
    def constants(ctx: UprobeContext, a: u8) -> None:
        values[0] = helpers.get_attach_cookie(ctx)
        values[1] += a

    with load(constants, attach=False) as opened:
        opened.attach(constants, pid=ME, cookie=0xC00C1E)
        called.constants()
        assert [int(opened[values][at]) for at in range(2)] == [0xC00C1E, 7]


def test_a_process_that_is_gone_is_refused(binary: Path) -> None:
    with turning(binary) as started:
        pid = started.pid

    @usdt(binary, "usdt:constants", pid=pid)
    def constants(ctx: UprobeContext) -> None:
        counts[2] += 1

    with pytest.raises(AttachError, match="there is no process"):
        load(constants)


#: The kernel counts once for each place, in each process.
PLACES = 2


@pytest.mark.parametrize("place", [(), ("-DPLACE=",)], ids=["probes", "bss"])
def test_a_semaphore_counts_while_somebody_looks(tmp_path: Path, place: tuple[str, ...]) -> None:
    made = tmp_path / "libguarded.so"
    compiled("usdt_semaphore.c", made, "gcc", "-O2", "-fPIC", "-shared", *place)
    guarded = ctypes.CDLL(str(made))

    def looking(pid: int) -> Probe:
        @usdt(made, "usdt:guarded", pid=pid)
        def looks(ctx: UprobeContext, number: i32) -> None:
            values[0] += number

        return looks

    assert (guarded.semaphore(), guarded.guarded(5)) == (0, 0)
    with load(looking(ME)) as opened:
        assert guarded.semaphore() == PLACES
        with load(looking(ME)):
            assert guarded.semaphore() == PLACES  # not for each program that looks
        assert guarded.semaphore() == PLACES
        assert [guarded.guarded(number) for number in range(CALLS)] == [1] * CALLS
        assert opened[values][0] == sum(range(CALLS))
        guarded.guarded_too(41)
        assert opened[values][0] == sum(range(CALLS)) + 42
        opened.detach()
        assert (guarded.semaphore(), guarded.guarded(5)) == (0, 0)
        assert opened[values][0] == sum(range(CALLS)) + 42
    with turning("/bin/cat") as other, load(looking(other.pid)):
        assert guarded.semaphore() == 0


def test_a_library_that_is_opened_later_has_its_probes(tmp_path: Path) -> None:
    made = tmp_path / "liblater.so"
    compiled("usdt_semaphore.c", made, "gcc", "-O2", "-fPIC", "-shared")

    @usdt(made, "usdt:guarded", pid=ME)
    def looks(ctx: UprobeContext, number: i32) -> None:
        values[0] += number

    with load(looks) as opened:
        later = ctypes.CDLL(str(made))
        assert (later.semaphore(), later.guarded(5)) == (PLACES, 1)
        assert opened[values][0] == 5
    assert later.semaphore() == 0


def test_every_thread_of_a_process_is_seen(library: Path, called: ctypes.CDLL) -> None:
    @usdt(library, "usdt:several", pid=ME)
    def several(number: i64) -> None:
        values[0] += 1
        counts[tid()] += 1

    def call() -> None:
        for _ in range(CALLS):
            called.several(1, ctypes.c_long(2))

    with load(several) as opened:
        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert opened[values][0] == 4 * 3 * CALLS
        seen = dict(opened[counts].items())
    assert set(seen.values()) == {3 * CALLS}
    assert ME not in seen


def test_a_function_stands_in_for_a_probe_that_is_not_there(
    library: Path, called: ctypes.CDLL
) -> None:
    @first_of(usdt(library, "libc:longjmp", pid=ME), uprobe(library, "setjmp_like", pid=ME))
    def jumps(env: u64, saves: i32) -> None:
        values[0] += env + saves

    with load(jumps) as opened:
        called.setjmp_like(ctypes.c_void_p(70), 7, None)
        assert opened[values][0] == 77
        assert "uprobe" in opened.explain()


def test_a_program_that_sleeps_reads_memory_too(
    library: Path, called: ctypes.CDLL, requires: Callable[[str], None]
) -> None:
    requires("prog:usdt.s")

    @usdt(library, "usdt:in_memory", pid=ME, sleepable=True)
    def in_memory(ctx: UprobeContext, first: i32, second: i64) -> None:
        values[0] += first
        values[1] += second

    pairs = (ctypes.c_long * 4)(1, 2, 0xFFFFFFFD, -4)
    seen = values_after(in_memory, lambda: called.in_memory(pairs, ctypes.c_long(1)), 2)
    assert seen == [-3, -4]


# -- starting


def test_a_start_from_the_cache_compiles_nothing(
    library: Path, called: ctypes.CDLL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYEBPF_CACHE", "on")
    monkeypatch.setenv("PYEBPF_CACHE_DIR", str(tmp_path / "cache"))

    @usdt(library, "usdt:several", pid=ME)
    def several(ctx: UprobeContext, number: i64) -> None:
        values[0] += number

    act = lambda: called.several(-5, ctypes.c_long(7))  # noqa: E731 - used twice
    assert values_after(several, act, 1) == [1_002]
    monkeypatch.setattr(compiler, "compile_probes", lambda *_, **__: pytest.fail("compiled again"))
    assert values_after(several, act, 1) == [1_002]


def test_arguments_are_not_to_be_had_in_another_probe(library: Path) -> None:
    @usdt(library, "usdt:several", pid=ME)
    def goes_on(ctx: UprobeContext, number: i64) -> None:
        values[0] += number

    @usdt(library, "usdt:several", pid=ME)
    def plain(ctx: UprobeContext) -> None:
        values[1] += 1

    wrong = TailCalls(goes_on)
    steps = TailCalls(plain)

    @usdt(library, "usdt:several", pid=ME)
    def begins_wrong(ctx: UprobeContext) -> None:
        wrong.call(0)

    @usdt(library, "usdt:several", pid=ME)
    def begins(ctx: UprobeContext) -> None:
        steps.call(0)

    with pytest.raises(CompileError, match="goes on in `goes_on`, which reads arguments of its"):
        compile_probes(begins_wrong)
    with load(begins, goes_on, attach=False) as opened:
        with pytest.raises(PyebpfError, match="`goes_on` reads arguments of its own USDT probe"):
            opened[steps][0] = goes_on
        opened[steps][0] = begins


# -- binaries of Debian


def test_the_probes_of_python(interpreter: Turning) -> None:  # noqa: F811
    @usdt(interpreter.path, "python:gc__start", pid=interpreter.pid)
    def starts(ctx: UprobeContext, generation: i32) -> None:
        counts[generation] += 1

    @usdt(interpreter.path, "python:audit", pid=interpreter.pid)
    def audits(ctx: UprobeContext, event: UserPtr[u8], arguments: u64) -> None:
        if read_user_str(event, 32) == "pyebpf.test":
            values[0] += 1

    with load(starts, audits) as opened:
        interpreter.turn(CALLS)
        assert dict(opened[counts].items()) == {0: CALLS, 2: 2 * CALLS}
        assert opened[values][0] == CALLS


THROWS = """
#include <cstdio>
int main() {
    for (int c; (c = std::getchar()) != EOF;) {
        try { throw c; } catch (int) { }
        std::puts("");
        std::fflush(stdout);
    }
}
"""


@pytest.mark.thorough
def test_the_probes_of_the_library_of_c_plus_plus(tmp_path: Path) -> None:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("needs g++ (Debian package g++)")
    source, made = tmp_path / "throws.cc", tmp_path / "throws"
    source.write_text(THROWS)
    subprocess.run([compiler, "-O1", "-o", made, source], check=True)
    copy = shutil.copy(find_binary("stdc++"), tmp_path / "libstdc++.so.6")
    with turning(made, environment={"LD_LIBRARY_PATH": str(tmp_path)}) as thrower:
        thrower.turn()

        @usdt(copy, "libstdcxx:throw", pid=thrower.pid)
        def throws(ctx: UprobeContext, thrown: UserPtr[u32], kind: u64) -> None:
            values[0] += thrown[0]
            counts[kind] += 1

        @usdt(copy, "libstdcxx:catch", pid=thrower.pid)
        def catches(ctx: UprobeContext, thrown: UserPtr[u32], kind: u64) -> None:
            counts[kind] += 1

        with load(throws, catches) as opened:
            thrower.turn(CALLS)
            assert opened[values][0] == CALLS * ord("\n")
            assert list(dict(opened[counts].items()).values()) == [2 * CALLS]
