"""Tasks: when they begin, become another program, end; and whose they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pyebpf.dsl.access import cast
from pyebpf.dsl.builtins import has_field
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.dsl.probes.tracing import raw_tracepoint, tp_btf
from pyebpf.dsl.scalars import Ptr, RawTracepointContext, u32, u64
from pyebpf.kernel import task_struct, thread_info
from pyebpf.lib.sched import OnTask, OnTasks, at_task
from pyebpf.lib.sources import source

_TS_COMPAT = 2  # arch/x86/include/asm/thread_info.h


def forked(*, when: Any = True) -> Callable[[OnTasks], Alternatives]:
    """Run when a process or thread is made.

    The function is called with ``(parent: Ptr[task_struct], child: Ptr[task_struct])``; the new one
    has not run yet.
    """

    def ways(run: OnTasks) -> Iterable[Probe]:
        @tp_btf("sched_process_fork", when=when)
        def typed(parent: Ptr[task_struct], child: Ptr[task_struct]) -> None:
            run(parent, child)

        @raw_tracepoint("sched_process_fork", when=when)
        def untyped(ctx: RawTracepointContext) -> None:
            run(cast(Ptr[task_struct], ctx.args[0]), cast(Ptr[task_struct], ctx.args[1]))

        return typed, untyped

    return source(ways)


def executed(*, when: Any = True) -> Callable[[OnTask], Alternatives]:
    """Run when a process has become another program: ``(task: Ptr[task_struct])``."""
    return at_task("sched_process_exec", when=when)


def exited(*, when: Any = True) -> Callable[[OnTask], Alternatives]:
    """Run when a thread ends, the last thing that it does: ``(task: Ptr[task_struct])``."""
    return at_task("sched_process_exit", when=when)


def is_in_32bit_call(task: Ptr[task_struct]) -> bool:
    """Tell whether a task is in a system call of 32-bit programs, which have numbers of their own.

    On x86; elsewhere it is not known, and False.
    """
    if has_field(thread_info, "status"):
        status: u32 = task.thread_info.status
        return status & _TS_COMPAT != 0
    return False


def is_leader(task: Ptr[task_struct]) -> bool:
    """Tell whether a task is its process's first thread."""
    leader: bool = task.pid == task.tgid
    return leader


def parent_tgid(task: Ptr[task_struct]) -> u32:
    """Return the process id of a task's parent, as the first PID namespace numbers it."""
    number: u32 = task.real_parent.tgid
    return number


def exit_status(task: Ptr[task_struct]) -> u32:
    """Return what a task that ends gave to ``exit``; for one that a signal ends, 0."""
    status: u32 = task.exit_code >> 8 & 0xFF
    return status


def exit_signal(task: Ptr[task_struct]) -> u32:
    """Return the signal that ends a task; 0 if it ends by itself."""
    number: u32 = task.exit_code & 0x7F
    return number


def age_ns(task: Ptr[task_struct], now_ns: u64) -> u64:
    """Return how long a task has been there.

    Args:
        task: which.
        now_ns: what ``ktime_get_boot_ns`` gives.

    Units:  nanoseconds, of the clock that counts suspended time too.
    """
    since: u64 = task.start_boottime
    return now_ns - since
