"""Programs at functions of the kernel: they count each call of this process, and see its values."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pyebpf import (
    Array,
    Global,
    KprobeContext,
    Ptr,
    Session,
    fentry,
    fexit,
    fmod_ret,
    i32,
    i64,
    kprobe,
    kretprobe,
    kretsyscall,
    ksyscall,
    tgid,
    u64,
)
from pyebpf.dsl.probes import Probe
from pyebpf.kernel import file, path, pt_regs
from tests.kinds.case import Steps, case

CALLS, SIZE, WANTED = 20, 48, 100
EACCES = 13
#: A system call is a function that may sleep, which few others are.
SYSCALL = {"x86_64": "__x64_sys_getpgid", "aarch64": "__arm64_sys_getpgid"}.get(
    platform.machine(), "__do_sys_getpgid"
)

mine = Global[u64](0)
counts = Array[u64](max_entries=4)


@contextmanager
def reading() -> Iterator[tuple[int, int]]:
    """Give a short file in memory, open, and its inode's number.

    Layered file systems show other numbers than they have.
    """
    with tempfile.TemporaryFile(dir="/dev/shm") as made:
        made.write(bytes(SIZE))
        made.flush()
        yield made.fileno(), os.fstat(made.fileno()).st_ino


def seen(session: Session, work: object = None) -> list[int]:
    """Read a file some times while the programs look at this process; return what they counted."""
    with reading() as (fd, _):
        session[mine].value = os.getpid()
        for _ in range(CALLS):
            os.lseek(fd, 0, os.SEEK_SET)
            assert len(os.read(fd, WANTED)) == SIZE
        session[mine].value = 0
    return [int(value) for value in session[counts].values()]


def check(steps: Steps, probe: Probe, *expected: int) -> None:
    """See that a program counts every read, and nothing once it is detached."""
    with steps.loaded(probe) as session:
        link = steps.attach(session, probe)
        got = seen(session)[: len(expected)]
        link.close()
        steps.fired([*got, *seen(session)[: len(expected)]], [*expected, *expected])


@kprobe("vfs_read")
def begins(ctx: KprobeContext, opened: Ptr[file], buffer: u64, count: u64) -> None:
    if tgid() == mine.value:
        counts[0] += 1
        counts[1] += count


@kretprobe("vfs_read")
def ends(ctx: KprobeContext, ret: i64) -> None:
    if tgid() == mine.value and ret > 0:
        counts[0] += 1
        counts[1] += ret


@kprobe("vfs_rea[d]")
def many_begin(ctx: KprobeContext, opened: Ptr[file], buffer: u64, count: u64) -> None:
    if tgid() == mine.value:
        counts[0] += 1
        counts[1] += count


@kretprobe("vfs_rea[d]")
def many_end(ctx: KprobeContext, ret: i64) -> None:
    if tgid() == mine.value and ret > 0:
        counts[0] += 1
        counts[1] += ret


@kprobe("vfs_rea[d]", session=True)
def both(ctx: KprobeContext) -> i32:
    if tgid() == mine.value:
        counts[0] += 1
    return 0


@kprobe("vfs_rea[d]", session=True)
def only_begin(ctx: KprobeContext) -> i32:
    if tgid() == mine.value:
        counts[1] += 1
    return 1


@case("kprobe", "kprobe_attach")
def at_a_function(steps: Steps) -> None:
    check(steps, begins, CALLS, CALLS * WANTED)


@case("kretprobe", "kprobe_attach")
def at_its_return(steps: Steps) -> None:
    check(steps, ends, CALLS, CALLS * SIZE)


@case("kprobe.multi", "kprobe_attach", old_way=True)
def at_a_pattern(steps: Steps) -> None:
    check(steps, many_begin, CALLS, CALLS * WANTED)


@case("kretprobe.multi", "kprobe_attach", old_way=True)
def at_the_returns_of_a_pattern(steps: Steps) -> None:
    check(steps, many_end, CALLS, CALLS * SIZE)


@case("kprobe.session", "kprobe_attach")
def at_both_ends(steps: Steps) -> None:
    with steps.loaded(both, only_begin) as session:
        steps.attach(session, both, only_begin)
        steps.fired(seen(session)[:2], [2 * CALLS, CALLS])


@ksyscall("getpgid")
def call_entered(ctx: KprobeContext, group: i64) -> None:
    if tgid() == mine.value:
        counts[0] += 1
        counts[1] += group


@kretsyscall("getpgid")
def call_left(ctx: KprobeContext, ret: i64) -> None:
    if tgid() == mine.value:
        counts[0] += 1
        counts[1] += ret


@case("ksyscall", "kprobe_attach")
def at_a_call(steps: Steps) -> None:
    check_calls(steps, call_entered, os.getpid())


@case("kretsyscall", "kprobe_attach")
def at_the_return_of_a_call(steps: Steps) -> None:
    check_calls(steps, call_left, os.getpgrp())


@fentry("vfs_read")
def enters(opened: Ptr[file], buffer: u64, count: u64) -> None:
    if tgid() == mine.value:
        counts[0] += 1
        counts[1] += count
        counts[2] = opened.f_inode.i_ino


@fexit("vfs_read")
def leaves(opened: Ptr[file], ret: i64) -> None:
    if tgid() == mine.value and ret > 0:
        counts[0] += 1
        counts[1] += ret


@case("fentry")
def where_it_begins(steps: Steps) -> None:
    check(steps, enters, CALLS, CALLS * WANTED)


@case("fexit")
def where_it_ends(steps: Steps) -> None:
    check(steps, leaves, CALLS, CALLS * SIZE)


@fentry(SYSCALL, sleepable=True)
def call_begins(regs: Ptr[pt_regs]) -> None:
    if tgid() == mine.value:
        counts[0] += 1


@fexit(SYSCALL, sleepable=True)
def call_ends(regs: Ptr[pt_regs], ret: i64) -> None:
    if tgid() == mine.value:
        counts[0] += 1
        counts[1] += ret


@fmod_ret("security_inode_getattr")
def refuses(where: Ptr[path], ret: i32) -> i32:
    if tgid() == mine.value:
        return -EACCES
    return ret


@fmod_ret(SYSCALL, sleepable=True)
def refuses_and_may_sleep(regs: Ptr[pt_regs], ret: i64) -> i64:
    if tgid() == mine.value:
        return -EACCES
    return ret


def check_calls(steps: Steps, probe: Probe, value: int) -> None:
    """See that a program counts each call of a system call, and sums what it is given or gives."""

    def calls() -> list[int]:
        session[mine].value = os.getpid()
        for _ in range(CALLS):
            os.getpgid(os.getpid())
        session[mine].value = 0
        return [int(number) for number in session[counts].values()[:2]]

    with steps.loaded(probe) as session:
        link = steps.attach(session, probe)
        got = calls()
        link.close()
        steps.fired([got, calls()], [[CALLS, CALLS * value]] * 2)


@case("fentry.s", "sleepable_functions")
def where_a_call_begins(steps: Steps) -> None:
    check_calls(steps, call_begins, 0)


@case("fexit.s", "sleepable_functions")
def where_a_call_ends(steps: Steps) -> None:
    check_calls(steps, call_ends, os.getpgrp())


def check_refusal(steps: Steps, probe: Probe, call: Callable[[], object]) -> None:
    """See that a call is refused to this process while the program looks at it."""

    def tried() -> int:
        try:
            call()
        except OSError as refused:
            return refused.errno or 0
        return 0

    with steps.loaded(probe) as session:
        link = steps.attach(session, probe)
        before = tried()
        session[mine].value = os.getpid()
        meanwhile = tried()
        link.close()
        steps.fired([before, meanwhile, tried()], [0, EACCES, 0])


@case("fmod_ret")
def instead_of_it(steps: Steps) -> None:
    check_refusal(steps, refuses, Path("/dev/shm").stat)


@case("fmod_ret.s", "sleepable_functions")
def instead_of_it_asleep(steps: Steps) -> None:
    check_refusal(steps, refuses_and_may_sleep, lambda: os.getpgid(0))
