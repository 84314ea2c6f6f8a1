"""The scheduler: tasks that get a CPU, wake up, move; and what state they are in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pyebpf.dsl.access import cast
from pyebpf.dsl.builtins import has_field
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.dsl.probes.tracing import raw_tracepoint, tp_btf
from pyebpf.dsl.scalars import Ptr, RawTracepointContext, i32, u64
from pyebpf.kernel import task_struct
from pyebpf.lib.sources import source

#: What is called with a task.
OnTask = Callable[[Ptr[task_struct]], None]
#: What is called with two tasks.
OnTasks = Callable[[Ptr[task_struct], Ptr[task_struct]], None]
#: What is called with a task and a CPU.
OnMove = Callable[[Ptr[task_struct], i32], None]


def switched(*, when: Any = True) -> Callable[[OnTasks], Alternatives]:
    """Run when a CPU goes from one task to another.

    The function is called with ``(prev: Ptr[task_struct], next: Ptr[task_struct])``.
    """

    def ways(run: OnTasks) -> Iterable[Probe]:
        @tp_btf("sched_switch", when=when)
        def typed(_: bool, prev: Ptr[task_struct], following: Ptr[task_struct]) -> None:
            run(prev, following)

        @raw_tracepoint("sched_switch", when=when)
        def untyped(ctx: RawTracepointContext) -> None:
            run(cast(Ptr[task_struct], ctx.args[1]), cast(Ptr[task_struct], ctx.args[2]))

        return typed, untyped

    return source(ways)


def woken(*, when: Any = True) -> Callable[[OnTask], Alternatives]:
    """Run when a task may run again, or for the first time: ``(task: Ptr[task_struct])``."""

    def ways(run: OnTask) -> Iterable[Probe]:
        @tp_btf("sched_wakeup", when=when)
        @tp_btf("sched_wakeup_new", when=when)
        def typed(task: Ptr[task_struct]) -> None:
            run(task)

        @raw_tracepoint("sched_wakeup", when=when)
        @raw_tracepoint("sched_wakeup_new", when=when)
        def untyped(ctx: RawTracepointContext) -> None:
            run(cast(Ptr[task_struct], ctx.args[0]))

        return typed, untyped

    return source(ways)


def migrated(*, when: Any = True) -> Callable[[OnMove], Alternatives]:
    """Run when a task is to go on on another CPU: ``(task: Ptr[task_struct], cpu: i32)``."""

    def ways(run: OnMove) -> Iterable[Probe]:
        @tp_btf("sched_migrate_task", when=when)
        def typed(task: Ptr[task_struct], cpu: i32) -> None:
            run(task, cpu)

        @raw_tracepoint("sched_migrate_task", when=when)
        def untyped(ctx: RawTracepointContext) -> None:
            run(cast(Ptr[task_struct], ctx.args[0]), cast(i32, ctx.args[1]))

        return typed, untyped

    return source(ways)


def state(task: Ptr[task_struct]) -> u64:
    """Return a task's state, as ``TASK_*`` of ``include/linux/sched.h``: 0 is running or ready."""
    # Since Linux kernel commit 2f064a59a11f ("sched: Change task_struct::state") (in v5.14), the
    # field has another name and width.
    if has_field(task_struct, "__state"):
        now: u64 = task.__state  # noqa: SLF001 - the kernel's name
        return now
    if has_field(task_struct, "state"):
        before_5_14: u64 = task.state
        return before_5_14
    return 0
