"""Every way to attach, seen to fire for this process only, and to stop."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

import pytest

from pyebpf.abi import constants as c
from pyebpf.abi import insn as i
from pyebpf.abi.helpers import HELPERS
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.errors import AttachError, KernelError, NotSupportedError
from pyebpf.runtime import syscall
from pyebpf.runtime.links import STRATEGIES, Link, attach
from pyebpf.runtime.tracefs import Tracefs
from pyebpf.spec.target import FrozenFeatures
from tests.kernel.vmlinux import TYPEDEF, type_id

pytestmark = pytest.mark.kernel

GETPPID = {"x86_64": 110, "aarch64": 173, "riscv64": 173}
CALLS = 23


class Counter(NamedTuple):
    """Two words in a map: how often the program ran for us, and the cookie that it saw last."""

    fd: int

    def read(self, at: int = 0) -> int:
        key, values = ctypes.c_uint32(), (ctypes.c_uint64 * 2)()
        syscall.map_lookup(self.fd, ctypes.addressof(key), ctypes.addressof(values))
        return values[at]


@pytest.fixture(autouse=True)
def _no_descriptor_is_left() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208
    yield
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@pytest.fixture
def counter() -> Iterator[Counter]:
    fd = syscall.map_create(c.BPF_MAP_TYPE_ARRAY, 4, 16, 1)
    yield Counter(fd)
    os.close(fd)


def counting_code(counter: Counter, *, number_at: int | None, with_cookie: bool = False) -> bytes:
    """Count system call getppid of this thread; ``number_at``: where the context has its number."""
    me = os.getpid() << 32 | threading.get_native_id()
    count = [
        *i.ld_map_value(i.R1, counter.fd),
        i.mov64_imm(i.R2, 1),
        i.atomic(i.DW, i.ADD, i.R1, i.R2),
    ]
    if with_cookie:
        count += [
            i.mov64_reg(i.R1, i.R6), i.call(HELPERS["get_attach_cookie"].id),
            *i.ld_map_value(i.R1, counter.fd, 8), i.stx_mem(i.DW, i.R1, i.R0),
        ]  # fmt: skip
    only = []
    if number_at is not None:
        only = [
            i.ldx_mem(i.DW, i.R1, i.R6, number_at),
            i.jmp_imm(i.JNE, i.R1, GETPPID[platform.machine()], len(count)),
        ]
    return i.assemble(
        i.mov64_reg(i.R6, i.R1),
        i.call(HELPERS["get_current_pid_tgid"].id),
        i.ld_imm64(i.R1, me),
        i.jmp_reg(i.JNE, i.R0, i.R1, len(only) + len(count)),
        (*only, *count),
        i.mov64_imm(i.R0, 0),
        i.exit_insn(),
    )


#: The number of the system call: second word of a raw tracepoint's arguments; the classic
#: tracepoint below is of one system call only.
KINDS = {
    "raw_tp": ("sys_enter", 8),
    "tp_btf": ("sys_enter", 8),
    "tracepoint": ("syscalls/sys_enter_getppid", None),
}


@contextmanager
def loaded(kind: str, counter: Counter, *, with_cookie: bool = False) -> Iterator[int]:
    row = PROGRAM_KINDS[kind]
    btf_id = type_id("btf_trace_sys_enter", TYPEDEF) if row.needs_btf_id else 0
    code = counting_code(counter, number_at=KINDS[kind][1], with_cookie=with_cookie)
    fd, _ = syscall.prog_load(
        row.prog_type, code, "GPL", name=f"test_{kind}", expected_attach_type=row.attach_type,
        attach_btf_id=btf_id,
    )  # fmt: skip
    try:
        yield fd
    finally:
        os.close(fd)


def call_getppid() -> None:
    for _ in range(CALLS):
        os.getppid()


@pytest.mark.parametrize("kind", KINDS)
def test_it_counts_while_it_is_attached(kind: str, counter: Counter) -> None:
    with loaded(kind, counter) as fd:
        call_getppid()
        assert counter.read() == 0
        with attach(fd, PROGRAM_KINDS[kind], KINDS[kind][0]) as link:
            call_getppid()
            assert counter.read() == CALLS
            info = link.info()
            if info is not None:
                assert info.prog_id == syscall.prog_info(fd).id
        call_getppid()
        assert counter.read() == CALLS
        link.close()  # a second time, and after `with`
        assert (link.fd, "closed" in repr(link)) == (-1, True)


def test_without_perf_links_the_old_way_is_taken(counter: Counter) -> None:
    with (
        loaded("tracepoint", counter) as fd,
        attach(
            fd, PROGRAM_KINDS["tracepoint"], "syscalls:sys_enter_getppid", features=FrozenFeatures()
        ) as link,
    ):
        assert (link.is_bpf_link, link.info()) == (False, None)
        call_getppid()
        assert counter.read() == CALLS
        with pytest.raises(NotSupportedError, match=r"with a cookie needs .*5\.15") as lacking:
            attach(
                fd, PROGRAM_KINDS["tracepoint"], "syscalls:sys_enter_getppid", cookie=1,
                features=FrozenFeatures(),
            )  # fmt: skip
        assert lacking.value.feature == "perf_link"


@pytest.mark.parametrize("kind", KINDS)
def test_a_cookie_arrives(kind: str, counter: Counter, requires: Callable[[str], None]) -> None:
    requires("cookie")
    if kind != "tracepoint":
        requires("helper:get_attach_cookie@raw_tp")  # Linux 6.10, with cookies of both
    with (
        loaded(kind, counter, with_cookie=True) as fd,
        attach(fd, PROGRAM_KINDS[kind], KINDS[kind][0], cookie=0xC00C1E) as link,
    ):
        assert link.is_bpf_link
        call_getppid()
        assert (counter.read(0), counter.read(1)) == (CALLS, 0xC00C1E)


def test_detach_ends_a_link_that_somebody_else_holds(counter: Counter) -> None:
    with loaded("tracepoint", counter) as fd:
        link = attach(fd, PROGRAM_KINDS["tracepoint"], "syscalls/sys_enter_getppid")
        if not link.is_bpf_link:
            link.close()
            pytest.skip("no bpf_link on this kernel")
        other = os.dup(link.fd)
        try:
            # The kernel cannot detach perf links ahead of their end: the refusal says so.
            with pytest.raises(KernelError, match="ends when its last descriptor is closed"):
                link.detach()
            link.close()
            call_getppid()
            assert counter.read() == CALLS
        finally:
            os.close(other)
        call_getppid()
        assert counter.read() == CALLS


def test_an_unknown_tracepoint_names_the_nearest(counter: Counter) -> None:
    with loaded("tracepoint", counter) as fd:
        row = PROGRAM_KINDS["tracepoint"]
        with pytest.raises(AttachError, match="sched:sched_switch") as unknown:
            attach(fd, row, "sched/sched_swich")
        assert unknown.value.target == "sched:sched_swich"
        with pytest.raises(AttachError, match="sched:sched_switch"):
            attach(fd, row, "shed/sched_switch")
        with pytest.raises(AttachError, match="write category:name"):
            attach(fd, row, "sched_switch")
        with pytest.raises(AttachError, match="there is no tracepoint"):
            attach(fd, row, "../../etc/passwd")
    with (
        loaded("raw_tp", counter) as fd,
        pytest.raises(AttachError, match=r"no raw tracepoint 'sys_entr'.*sys_enter"),
    ):
        attach(fd, PROGRAM_KINDS["raw_tp"], "sys_entr")


def test_kinds_without_a_strategy_are_refused_by_name(counter: Counter) -> None:
    with pytest.raises(NotSupportedError, match=r"'syscall' program .* user space"):
        attach(-1, PROGRAM_KINDS["syscall"], "")
    missing = PROGRAM_KINDS["kprobe"].replace(strategy="no_such")
    with pytest.raises(NotSupportedError, match=r"'kprobe' program .*not attach 'no_such'"):
        attach(-1, missing, "vfs_read")
    assert {"tracepoint", "raw_tp", "trace"} <= STRATEGIES.keys()


def test_a_failure_closes_the_perf_event() -> None:
    """A socket filter is no tracepoint program; the fixture sees what is left open."""
    code = i.assemble(i.mov64_imm(i.R0, 0), i.exit_insn())
    fd, _ = syscall.prog_load(c.BPF_PROG_TYPE_SOCKET_FILTER, code, "GPL")
    try:
        for features in (None, FrozenFeatures(), FrozenFeatures(frozenset({"perf_link"}))):
            with pytest.raises(KernelError) as refused:
                attach(fd, PROGRAM_KINDS["tracepoint"], "sched:sched_switch", features=features)
            assert refused.value.errno == errno.EINVAL
    finally:
        os.close(fd)


def test_a_link_that_nobody_closed_closes_itself(counter: Counter) -> None:
    with loaded("raw_tp", counter) as fd:
        link: Link | None = attach(fd, PROGRAM_KINDS["raw_tp"], "sys_enter")
        call_getppid()
        assert link is not None
        link = None
        call_getppid()
    assert counter.read() == CALLS


def test_tracefs_answers() -> None:
    with closing(Tracefs()) as tracefs:
        names = tracefs.names()
        assert list(names) == sorted(names)
        assert "sched:sched_switch" in names
        fields = {f.name: f for f in tracefs.fields("sched", "sched_switch")}
        assert (fields["prev_comm"].c_type, fields["prev_comm"].size) == ("char[16]", 16)
        assert fields["prev_pid"].signed
        assert "common_pid" in fields
        assert tracefs.event_id("sched", "sched_switch") > 0
        with pytest.raises(KeyError):
            tracefs.fields("sched", "no_such")


def test_every_tracepoint_of_this_kernel_is_understood() -> None:
    with closing(Tracefs()) as tracefs:
        for name in tracefs.names():
            category, _, event = name.partition(":")
            if category != "ftrace":
                fields = tracefs.fields(category, event)
                assert fields[0].name == "common_type", name
                assert fields == tracefs.fields(category, event)


def test_a_place_that_is_no_tracefs_is_passed_over(tmp_path: object) -> None:
    with closing(Tracefs(places=(str(tmp_path), "/no/such/place"))) as tracefs:
        assert "sched:sched_switch" in tracefs.names()
