"""Programs at tracepoints, at events that count, at objects of the kernel, and at our call."""

from __future__ import annotations

import errno
import os
import platform
import threading
from pathlib import Path

from pyebpf import (
    Array,
    Char,
    Global,
    IterContext,
    PerfEventContext,
    Ptr,
    RawTracepointContext,
    Session,
    TracepointContext,
    chars,
    i64,
    iter,  # noqa: A004 - the kernel's word
    perf_event,
    raw_tracepoint,
    record,
    syscall,
    tgid,
    tid,
    tp_btf,
    tracepoint,
    u32,
    u64,
)
from pyebpf.abi import constants as c
from pyebpf.abi import insn as i
from pyebpf.abi.helpers import HELPERS
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.dsl.probes import Probe
from pyebpf.errors import KernelError
from pyebpf.kernel import pt_regs, task_struct
from pyebpf.runtime import syscall as calls
from pyebpf.runtime.links import attach
from pyebpf.runtime.prog_call import prog_test_run
from tests.kinds.case import Steps, case

CALLS = 23
GETPGID = {"x86_64": 121, "aarch64": 155, "riscv64": 155}[platform.machine()]

mine = Global[u64](0)
number = Global[u64](GETPGID)
counts = Array[u64](max_entries=4)


@tracepoint("syscalls:sys_enter_getpgid")
def fields(ctx: TracepointContext) -> None:
    if tid() == mine.value:
        counts[0] += 1
        counts[1] += ctx.pid


@raw_tracepoint("sys_enter")
def words(ctx: RawTracepointContext) -> None:
    if tid() == mine.value and ctx.args[1] == number.value:
        counts[0] += 1
        counts[1] += ctx.args[1]


@tp_btf("sys_exit")
def typed(regs: Ptr[pt_regs], ret: i64) -> None:
    if tid() == mine.value and ret == os.getpid():
        counts[0] += 1
        counts[1] += ret


def count(session: Session) -> list[int]:
    """Ask for the process group of this process some times; return what was counted meanwhile."""
    session[mine].value = threading.get_native_id()
    for _ in range(CALLS):
        os.getpgid(os.getpid())
    session[mine].value = 0
    return [int(value) for value in session[counts].values()[:2]]


def check(steps: Steps, probe: Probe, value: int) -> None:
    with steps.loaded(probe) as session:
        link = steps.attach(session, probe)
        got = count(session)
        link.close()
        steps.fired([got, count(session)], [[CALLS, CALLS * value]] * 2)


@case("tracepoint")
def an_event(steps: Steps) -> None:
    check(steps, fields, os.getpid())


@case("raw_tp")
def a_bare_event(steps: Steps) -> None:
    check(steps, words, GETPGID)


@case("tp_btf")
def a_typed_event(steps: Steps) -> None:
    me = os.getpid()

    @tp_btf("sys_enter")
    def entered(regs: Ptr[pt_regs], called: i64) -> None:
        if tid() == mine.value and called == number.value:
            counts[0] += 1
            counts[1] += called

    assert me
    check(steps, entered, GETPGID)


@case("raw_tp.w")
def an_event_that_is_changed(steps: Steps) -> None:
    """Without a decorator: the program is written in instructions.

    It changes the result of test runs of this process, which the kernel offers at their end.
    """
    row = PROGRAM_KINDS["raw_tp.w"]
    code = i.assemble(
        i.ldx_mem(i.DW, i.R6, i.R1, 0),
        i.call(HELPERS["get_current_pid_tgid"].id),
        i.alu64_imm(i.RSH, i.R0, 32),
        i.jmp_imm(i.JNE, i.R0, os.getpid(), 1),
        i.st_mem(i.W, i.R6, 0, -errno.EMLINK),
        i.mov64_imm(i.R0, 0),
        i.exit_insn(),
    )
    kept = i.assemble(i.mov64_imm(i.R0, 2), i.exit_insn())
    fd, _ = calls.prog_load(row.prog_type, code, "GPL", name="writes")
    steps.reached += ["compiled", "verified"]
    tested, _ = calls.prog_load(c.BPF_PROG_TYPE_XDP, kept, "GPL", name="tested")
    try:
        with attach(fd, row, "bpf_test_finish"):
            steps.reached.append("attached")
            try:
                prog_test_run(tested, data=bytes(64))
                error = 0
            except KernelError as refused:
                error = refused.errno
        steps.fired([error, prog_test_run(tested, data=bytes(64)).retval], [errno.EMLINK, 2])
    finally:
        os.close(tested)
        os.close(fd)


@case("perf_event")
def an_event_that_counts(steps: Steps) -> None:
    @perf_event("page-faults", period=1, pid=os.getpid())
    def faults(ctx: PerfEventContext) -> None:
        counts[0] += 1
        if ctx.ip != 0 and ctx.sample_period == 1:
            counts[1] += 1

    pages = 64
    with steps.loaded(faults) as session:
        steps.attach(session, faults)
        _touch(pages)
        session.detach()
        got, right = session[counts].values()[:2]
        steps.fired([got >= pages, got == right], [True, True])


def _touch(pages: int) -> None:
    import mmap

    with mmap.mmap(-1, pages * mmap.PAGESIZE) as memory:
        if hasattr(memory, "madvise"):
            memory.madvise(mmap.MADV_NOHUGEPAGE)
        for page in range(pages):
            memory[page * mmap.PAGESIZE] = 1


@record
class Row:
    number: u32
    group: u32
    name: Char = chars(16)


def check_visit(steps: Steps, sleepable: bool) -> None:
    me = os.getpid()

    @iter("task", sleepable=sleepable)
    def rows(ctx: IterContext, task: Ptr[task_struct] | None) -> None:
        if task is not None and task.tgid == me:
            ctx.emit(Row(number=task.pid, group=task.tgid, name=task.comm))

    with steps.loaded(rows) as session:
        steps.attach(session, rows)
        found = session.read(rows)
        threads = sorted(int(path.name) for path in Path("/proc/self/task").iterdir())
        got = [sorted(found["number"].tolist()), set(found["group"].tolist())]
        steps.fired(got, [threads, {me}])


@case("iter")
def everything_of_a_kind(steps: Steps) -> None:
    check_visit(steps, sleepable=False)


@case("iter.s")
def everything_of_a_kind_asleep(steps: Steps) -> None:
    check_visit(steps, sleepable=True)


@record
class Asked:
    value: u64
    caller: u64


@syscall
def answers(asked: Asked) -> i64:
    asked.caller = tgid()
    asked.value *= 3
    return 7


@case("syscall")
def when_called(steps: Steps) -> None:
    with steps.loaded(answers) as session:
        steps.without = PROGRAM_KINDS["syscall"].reason
        ran = session.test_run(answers, {"value": 14, "caller": 0})
        expected = [7, {"value": 42, "caller": os.getpid()}]
        steps.fired([ran.result, ran.context], expected)
