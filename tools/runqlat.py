"""Summarise how long tasks wait for a CPU as a log2 histogram.

A task waits in a run queue from the moment that it is woken, is preempted or gives way until it
runs. One that waited when tracing began is counted from its next wait on.

Output:   one histogram per interval, in microseconds or with -m in milliseconds; with -P, -L or
          --pidnss one for each process, thread or PID namespace.
Cost:     three probes; one hash insert and delete per wait. Busy machines switch tasks 100,000
          times a second.
Needs:    Linux 5.5, with BTF.
Source:   behaviour after BCC's runqlat (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from typing import Any

from pyebpf import Const, Ptr, Session, addressof, cast, offsetof, read_kernel, u32, u64
from pyebpf.cli import Tool, averaged
from pyebpf.kernel import pid, task_struct, upid
from pyebpf.lib import sched
from pyebpf.lib.durations import add, add_for, by_pid, by_tid, extended, milliseconds, taken
from pyebpf.lib.filters import FILTERS, is_task_wanted

__all__ = ["by_pid", "by_tid", "extended", "milliseconds", "tool"]  # options of the tool

by_namespace = Const(False, "--pidnss", help="print a histogram per PID namespace")


def is_wanted(task: Ptr[task_struct]) -> bool:
    """Tell whether a task is among those asked for; idle CPUs wait for nothing."""
    return is_task_wanted(task) and not sched.is_idle(task)


@sched.waited(is_wanted)
def on_run(task: Ptr[task_struct], _: Ptr[task_struct], waited_ns: u64) -> None:
    """Count a wait."""
    if by_namespace:
        add_for(namespace_of(task), waited_ns)
    else:
        add(task, waited_ns)


def namespace_of(task: Ptr[task_struct]) -> u32:
    """Return the inode number of the PID namespace that a task lives in."""
    # As a number: the verifier allows no variable offset to a pointer that it trusts.
    address = read_kernel(u64, cast(u64, task) + offsetof(task_struct, "thread_pid"))
    known = cast(Ptr[pid], address)
    numbers = cast(Ptr[upid], addressof(known.numbers))  # one for each namespace, the first's first
    inode: u32 = numbers[known.level].ns.ns.inum
    return inode


def report(session: Session) -> Any:
    """Take one interval: a ``Hist``, or a ``KeyedHist``."""
    return taken(session, "pidns" if session.option(by_namespace) else "")


def show(session: Session, result: Any) -> str:
    """Draw it, and with -e say the average."""
    return averaged(result) if session.option(extended) else str(result)


tool = Tool(
    __name__,
    probes=[on_run],
    report=report,
    show=show,
    header="Tracing run queue latency... Hit Ctrl-C to end.",
    filters=FILTERS,
    exclusive=[(by_pid, by_tid, by_namespace)],
    examples="""
        runqlat               # summarize run queue latency as a histogram
        runqlat 1 10          # print 1 second summaries, 10 times
        runqlat -mT 1         # 1s summaries, milliseconds, and timestamps
        runqlat -P            # show each process separately
        runqlat -p 185        # trace process 185 only
        runqlat --pidnss      # show each PID namespace separately
        runqlat -j            # print JSON
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
