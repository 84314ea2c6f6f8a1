"""Cookies: one program, attached to many places, is told at which it runs."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pyebpf import (
    Hash,
    KprobeContext,
    PerfEventContext,
    Ptr,
    RawTracepointContext,
    Session,
    SkBuffContext,
    TracepointContext,
    UprobeContext,
    attach_cookie,
    fentry,
    fexit,
    i32,
    i64,
    kprobe,
    kretprobe,
    load,
    perf_event,
    raw_tracepoint,
    tc,
    tgid,
    tp_btf,
    tracepoint,
    u64,
    uprobe,
    uretprobe,
)
from pyebpf.errors import AttachError, NotSupportedError, PyebpfError
from pyebpf.kernel import pt_regs
from pyebpf.spec.target import FrozenFeatures
from tests.kernel.test_links import GETPPID

pytestmark = pytest.mark.kernel

ME = os.getpid()
NUMBER = GETPPID[os.uname().machine]
seen = Hash[u64, u64](max_entries=64)

LIBRARY = """
int first_one(int n) { return n + 1; }
int first_two(int n) { return n + 2; }
int other(int n) { return n + 3; }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler: a library to probe cannot be made")
    folder = tmp_path_factory.mktemp("library")
    source, made = folder / "cookies.c", folder / "libcookies.so"
    source.write_text(LIBRARY)
    subprocess.run([compiler, "-O0", "-shared", "-fPIC", "-o", made, source], check=True)
    return made


def counted(session: Session) -> dict[int, int]:
    return {int(key): int(value) for key, value in session[seen].items()}


def call_all(library: Path) -> None:
    """Call the first function once, the second twice, the third three times."""
    functions = ctypes.CDLL(str(library))
    for number, name in enumerate(("first_one", "first_two", "other"), 1):
        for _ in range(number):
            getattr(functions, name)(0)


def call_getppid() -> None:
    for _ in range(7):
        os.getppid()


def test_one_uprobe_serves_many_functions(library: Path, requires: Callable[[str], None]) -> None:
    requires("perf_link")

    @uprobe(library, "first_one", pid=ME, cookie=2**64 - 1)
    def enters(ctx: UprobeContext) -> None:
        seen[attach_cookie()] += 1

    @uretprobe(library, "other", pid=ME, cookie=9)
    def leaves(ctx: UprobeContext, ret: i32) -> None:
        seen[attach_cookie()] += ret

    with load(enters, leaves) as session:
        session.attach(enters, target=f"{library}:first_two", cookie=5)
        session.attach(enters, target=f"{library}:other", cookie=0)
        call_all(library)
        assert counted(session) == {2**64 - 1: 1, 5: 2, 0: 3, 9: 9}


def test_each_function_of_a_pattern_has_its_cookie(
    library: Path, requires: Callable[[str], None]
) -> None:
    requires("perf_link")

    @uprobe(library, "*o*", pid=ME, cookie=3, cookies={"first_two": 7, "first_*": 8})
    def enters(ctx: UprobeContext) -> None:
        seen[attach_cookie()] += 1

    @uretprobe(library, "first_*", pid=ME)
    def leaves(ctx: UprobeContext, ret: i32) -> None:
        seen[100 + attach_cookie()] += ret

    with load(enters, leaves) as session:
        call_all(library)
        assert counted(session) == {8: 1, 7: 2, 3: 3, 100: 1 + 2 * 2}
    with load(leaves, attach=False) as session:
        session.attach(leaves, cookies={"first_one": 11}, cookie=12)
        call_all(library)
        assert counted(session) == {111: 1, 112: 4}
        with pytest.raises(AttachError, match=r"called 'first_tow'; the nearest: first_two"):
            session.attach(leaves, cookies={"first_tow": 1})


def test_cookies_by_a_regular_expression(library: Path, requires: Callable[[str], None]) -> None:
    requires("perf_link")

    @uprobe(library, "*o*", pid=ME, cookie=3, cookies={"/first_t.*/": 7, "/first_/": 8})
    def enters(ctx: UprobeContext) -> None:
        seen[attach_cookie()] += 1

    with load(enters) as session:
        call_all(library)
        assert counted(session) == {8: 1, 7: 2, 3: 3}


def test_a_pattern_is_attached_one_by_one_where_it_must_be(library: Path) -> None:
    @uprobe(library, "first_*", pid=ME)
    def enters(ctx: UprobeContext) -> None:
        seen[1] += 1

    with load(enters, attach=False) as session:
        session.links.features = FrozenFeatures()
        link = session.attach(enters)
        assert not link.is_bpf_link
        call_all(library)
        assert counted(session) == {1: 1 + 2}
        link.close()
        call_all(library)
        assert counted(session) == {1: 1 + 2}


def test_both_ends_of_a_function_need_a_link_to_many(library: Path) -> None:
    @uprobe(library, "first_one", pid=ME, session=True)
    def both(ctx: UprobeContext) -> i32:
        seen[1] += 1
        return 0

    with load(both, attach=False) as session:
        session.links.features = FrozenFeatures()
        with pytest.raises(NotSupportedError, match=r"program needs Linux 6\.13: a probe of the"):
            session.attach(both)


def test_a_kernel_without_links_to_perf_events_has_no_cookies(library: Path) -> None:
    @uprobe(library, "first_one", pid=ME)
    def enters(ctx: UprobeContext) -> None:
        seen[1] += 1

    with load(enters, attach=False) as session:
        session.links.features = FrozenFeatures()
        with pytest.raises(NotSupportedError, match=r"with a cookie needs a link to a perf event"):
            session.attach(enters, cookie=1)
        session.attach(enters)
        call_all(library)
        assert counted(session) == {1: 1}


@tracepoint("syscalls:sys_enter_getppid", cookie=21)
def enters_getppid(ctx: TracepointContext) -> None:
    if tgid() == ME:
        seen[attach_cookie()] += 1


def test_tracepoints_and_perf_events(requires: Callable[[str], None]) -> None:
    requires("perf_link")
    word = ctypes.c_uint32()

    @perf_event(f"mem:{ctypes.addressof(word):#x}/4:w", period=1, pid=ME, cookie=22)
    def written(ctx: PerfEventContext) -> None:
        seen[attach_cookie()] += 1

    with load(enters_getppid, written) as session:
        call_getppid()
        word.value = 1
        word.value = 2
        assert counted(session) == {21: 7, 22: 2}


@tp_btf("sys_enter", cookie=31)
def typed(regs: Ptr[pt_regs], number: i64) -> None:
    if tgid() == ME and number == NUMBER:
        seen[attach_cookie()] += 1


@raw_tracepoint("sys_enter", cookie=32)
def raw(ctx: RawTracepointContext) -> None:
    if tgid() == ME and ctx.args[1] == NUMBER:
        seen[attach_cookie()] += 1


def test_raw_tracepoints(requires: Callable[[str], None]) -> None:
    requires("helper:get_attach_cookie@raw_tp")
    with load(typed, raw) as session:
        call_getppid()
        assert counted(session) == {31: 7, 32: 7}


@raw_tracepoint("sys_enter")
def without(ctx: RawTracepointContext) -> None:
    if tgid() == ME and ctx.args[1] == NUMBER:
        seen[33] += 1


def test_a_kernel_whose_raw_tracepoints_take_no_cookie_says_so() -> None:
    with load(without, attach=False) as session:
        if session.links.features.has("helper:get_attach_cookie@raw_tp"):
            pytest.skip("this kernel has cookies there")
        with pytest.raises(NotSupportedError, match=r"with a cookie needs Linux 6\.10"):
            session.attach(without, cookie=1)


@fentry("do_nanosleep", cookie=41)
def begins() -> None:
    if tgid() == ME:
        seen[attach_cookie()] += 1


@fexit("do_nanosleep", cookie=42)
def ends() -> None:
    if tgid() == ME:
        seen[attach_cookie()] += 1


def sleep() -> None:
    libc = ctypes.CDLL(None)
    for _ in range(5):
        libc.usleep(1)


def test_functions_of_the_kernel(requires: Callable[[str], None]) -> None:
    requires("fentry_load")
    requires("prog:kprobe.multi")  # Linux 5.18; cookies of functions came with the one after
    with load(begins, ends) as session:
        sleep()
        assert counted(session) == {41: 5, 42: 5}


@kprobe("do_nanosleep", cookie=51)
def probed(ctx: KprobeContext) -> None:
    if tgid() == ME:
        seen[attach_cookie()] += 1


@kretprobe("do_nanosleep", cookie=52)
def returned(ctx: KprobeContext, ret: i64) -> None:
    if tgid() == ME:
        seen[attach_cookie()] += 1


def test_one_kprobe_serves_many_functions(
    requires: Callable[[str], None], configured: Callable[[str], None]
) -> None:
    configured("kprobe_attach")
    requires("perf_link")
    with load(probed, returned) as session:
        session.attach(probed, target="hrtimer_nanosleep", cookie=53)
        sleep()
        assert counted(session) == {51: 5, 52: 5, 53: 5}


@kprobe("*_nanosleep", cookie=60, cookies={"do_nanosleep": 61, "hrtimer_*": 62})
def many(ctx: KprobeContext) -> None:
    if tgid() == ME:
        seen[attach_cookie()] += 1


def test_each_kernel_function_of_a_pattern_has_its_cookie(
    requires: Callable[[str], None], configured: Callable[[str], None]
) -> None:
    configured("kprobe_attach")
    requires("perf_link")
    with load(many) as session:
        sleep()
        found = counted(session)
        assert (found[61], found[62]) == (5, 5)


def test_what_is_no_cookie_is_refused() -> None:
    with pytest.raises(PyebpfError, match="-1 is no cookie"):
        kprobe("vfs_read", cookie=-1)
    with pytest.raises(PyebpfError, match="is no cookie"):
        kprobe("vfs_*", cookies={"vfs_read": 1 << 64})
    with pytest.raises(PyebpfError, match="attaches to one function: cookie="):
        kprobe("vfs_read", cookies={"vfs_read": 1})


@tc("egress")
def passes(ctx: SkBuffContext) -> i32:
    return -1


def test_what_is_made_for_its_hook_is_attached_to_no_other() -> None:
    with (
        load(passes) as session,
        pytest.raises(PyebpfError, match="a 'tcx_egress' program is made for its hook"),
    ):
        session.attach(passes, device="lo", target="vfs_read")


@tracepoint("syscalls:sys_enter_getppid")
def asks(ctx: TracepointContext) -> None:
    if tgid() == ME:
        seen[63] += 1


def test_a_program_is_at_a_tracepoint_once() -> None:
    with load(asks) as session:
        with pytest.raises(AttachError, match="is at 'syscalls:sys_enter_getppid' already"):
            session.attach(asks)
        for cookie in (-1, 1 << 64):
            with pytest.raises(AttachError, match=f"{cookie} is no cookie"):
                session.attach(asks, cookie=cookie)
        (link,) = session.attached(asks)
        link.close()
        for use in (lambda: session.update(link, asks), lambda: link.pin("/sys/fs/bpf/none")):
            with pytest.raises(AttachError, match=r"nothing is attached to .* any more"):
                use()
        with session.attach(asks):
            before = session[seen].get(63, 0)
            os.getppid()
            assert session[seen][63] == before + 1


def test_what_attaching_does_not_take_is_refused(library: Path) -> None:
    @uprobe(library, "first_one", pid=ME)
    def enters(ctx: UprobeContext) -> None:
        seen[1] += 1

    with load(passes, enters, attach=False) as session:
        with pytest.raises(NotSupportedError, match="'tcx_egress' program has no cookie"):
            session.attach(passes, device="lo", cookie=1)
        with pytest.raises(AttachError, match="takes device, way, and not devise="):
            session.attach(passes, devise="lo")
        with pytest.raises(AttachError, match="a 'uprobe' program takes pid, and not cookies="):
            session.attach(enters, cookies={"first_one": 1})
