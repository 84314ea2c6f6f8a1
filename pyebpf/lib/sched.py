"""The scheduler: tasks that get a CPU, wake up, move; and what state they are in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pyebpf.dsl.access import cast, container_of
from pyebpf.dsl.builtins import current_task, has_field, ktime_get_ns
from pyebpf.dsl.maps import Hash
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.dsl.probes.tracing import raw_tracepoint, tp_btf
from pyebpf.dsl.scalars import Ptr, RawTracepointContext, i32, u32, u64
from pyebpf.kernel import cfs_rq, rq, task_struct
from pyebpf.lib.sources import source

_PF_KTHREAD = 0x00200000  # include/linux/sched.h
_TASK_DEAD = 0x80

#: What is called with a task.
OnTask = Callable[[Ptr[task_struct]], None]
#: What is called with two tasks.
OnTasks = Callable[[Ptr[task_struct], Ptr[task_struct]], None]
#: What is called with two tasks, and whether the first would go on if it could.
OnSwitch = Callable[[Ptr[task_struct], Ptr[task_struct], bool], None]
#: What is called with two tasks and a time in nanoseconds.
OnWaited = Callable[[Ptr[task_struct], Ptr[task_struct], u64], None]
#: What says whether a task is of interest.
Only = Callable[[Ptr[task_struct]], bool]
#: What is called with a task and a CPU.
OnMove = Callable[[Ptr[task_struct], i32], None]


def switched(*, when: Any = True) -> Callable[[OnSwitch], Alternatives]:
    """Run when a CPU goes from one task to another.

    The function is called with ``(prev: Ptr[task_struct], next: Ptr[task_struct], ready: bool)``.
    ``ready`` says that ``prev`` did not leave by itself, or only to let others run: it waits for a
    CPU from now on.
    """

    def ways(run: OnSwitch) -> Iterable[Probe]:
        # Whatever the state of a task is that was preempted, it stays in the run queue.
        @tp_btf("sched_switch", when=when)
        def typed(preempted: bool, prev: Ptr[task_struct], following: Ptr[task_struct]) -> None:
            run(prev, following, preempted or state(prev) == 0)

        @raw_tracepoint("sched_switch", when=when)
        def untyped(ctx: RawTracepointContext) -> None:
            prev, following = ctx.args[1], cast(Ptr[task_struct], ctx.args[2])
            task = cast(Ptr[task_struct], prev)
            run(task, following, ctx.args[0] & 1 != 0 or state(task) == 0)

        return typed, untyped

    return source(ways)


def at_task(*names: str, when: Any) -> Callable[[OnTask], Alternatives]:
    """Return the source for tracepoints whose first argument is a task."""

    def ways(run: OnTask) -> Iterable[Probe]:
        def typed(task: Ptr[task_struct]) -> None:
            run(task)

        def untyped(ctx: RawTracepointContext) -> None:
            run(cast(Ptr[task_struct], ctx.args[0]))

        one: Any = typed
        other: Any = untyped
        for name in reversed(names):
            one, other = tp_btf(name, when=when)(one), raw_tracepoint(name, when=when)(other)
        return one, other

    return source(ways)


def woken(*, when: Any = True) -> Callable[[OnTask], Alternatives]:
    """Run when a task may run again, or for the first time: ``(task: Ptr[task_struct])``.

    It is then in a run queue; the CPU that this runs on may be the one of that queue.
    """
    return at_task("sched_wakeup", "sched_wakeup_new", when=when)


def waking(*, when: Any = True) -> Callable[[OnTask], Alternatives]:
    """Run when a task is woken that slept, in whoever wakes it: ``(task: Ptr[task_struct])``."""
    return at_task("sched_waking", when=when)


def waited(only: Only, *, when: Any = True) -> Callable[[OnWaited], Alternatives]:
    """Run when a task gets a CPU, after it has waited for one in a run queue.

    The function is called with ``(task: Ptr[task_struct], prev: Ptr[task_struct], ns: u64)``: who,
    who had the CPU before, and how long it took since it was woken, was preempted or gave way.

    Args:
        only: says of a task that begins to wait whether it is of interest.
        when: attach only if this constant is true.
    """

    def ways(run: OnWaited) -> Iterable[tuple[Probe, ...]]:
        since = Hash[Ptr[task_struct], u64](max_entries=65_536)

        def begins(task: Ptr[task_struct]) -> None:
            # Who is woken while it still runs, or while it waits already, does not begin to wait.
            if not task.on_cpu and only(task) and since.get(task) is None:
                since[task] = ktime_get_ns()

        def changes(prev: Ptr[task_struct], following: Ptr[task_struct], is_ready: bool) -> None:
            if is_ready and only(prev):
                since[prev] = ktime_get_ns()
            began = since.pop(following)
            if began is not None:
                run(following, prev, ktime_get_ns() - began)

        wakes, switches = woken(when=when)(begins), switched(when=when)(changes)
        # Both have a typed way and one that is not.
        return [one + other for one, other in zip(wakes.ways, switches.ways, strict=True)]

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


def waiting() -> u32:
    """Return how many tasks wait for the CPU that this runs on, of all classes and cgroups."""
    # The queue of the running task's cgroup: it knows the one of its CPU, or is part of that.
    own = current_task().se.cfs_rq
    whole = own.rq if has_field(cfs_rq, "rq") else container_of(own, rq, "cfs")
    running: u32 = whole.nr_running
    return running - 1 if running else 0


def is_kernel_thread(task: Ptr[task_struct]) -> bool:
    """Tell whether a task is a thread of the kernel."""
    flags: u32 = task.flags
    return flags & _PF_KTHREAD != 0


def is_idle(task: Ptr[task_struct]) -> bool:
    """Tell whether a task is what a CPU does when it has nothing to do."""
    idle: bool = task.pid == 0
    return idle


def is_dead(task: Ptr[task_struct]) -> bool:
    """Tell whether a task that leaves its CPU never comes back."""
    return state(task) & _TASK_DEAD != 0
