"""Trace tasks that waited long for a CPU.

A task waits in a run queue from the moment that it is woken, is preempted or gives way until it
runs.

Output:   a line for each wait longer than the given microseconds, 10,000 by default, when it ends.
          With -P, who had the CPU before.
Cost:     three probes; one hash insert and delete per wait. Busy machines switch tasks 100,000
          times a second.
Needs:    Linux 5.8, with BTF.
Source:   behaviour after BCC's runqslower (Ivan Babrou, 2018); written from scratch.
"""

from __future__ import annotations

from pyebpf import Char, Const, Events, Ptr, Session, chars, ktime_get_ns, record, u32, u64
from pyebpf.cli import Clock, Column, Lines, Tool
from pyebpf.kernel import task_struct
from pyebpf.lib import sched
from pyebpf.lib.filters import FILTERS, is_task_wanted, only_pid, only_tid

min_us = Const(10_000, "min_us", help="the least wait to trace, in us (default: 10000)")
previous = Const(False, "-P", "--previous", help="also show who had the CPU before")


@record
class Wait:
    """A wait that has ended."""

    ts_ns: u64
    waited_ns: u64
    tid: u32
    prev_tid: u32
    comm: Char = chars(16)
    prev_comm: Char = chars(16)


waits = Events[Wait](pages=64)


def is_wanted(task: Ptr[task_struct]) -> bool:
    """Tell whether a task is among those asked for; idle CPUs wait for nothing."""
    return is_task_wanted(task) and not sched.is_idle(task)


@sched.waited(is_wanted)
def on_run(task: Ptr[task_struct], prev: Ptr[task_struct], waited_ns: u64) -> None:
    """Send a wait that was long."""
    if waited_ns <= min_us * 1_000:
        return
    with waits.reserve() as e:
        e.ts_ns, e.waited_ns = ktime_get_ns(), waited_ns
        e.tid, e.comm, e.prev_tid, e.prev_comm = task.pid, task.comm, prev.pid, prev.comm


def header(session: Session) -> str:
    """Return what is printed when tracing begins."""
    return f"Tracing run queue latency higher than {session.option(min_us)} us"


tool: Tool[None] = Tool(
    __name__,
    probes=[on_run],
    lines=Lines(
        waits,
        Clock("TIME", 8, field="ts_ns"),
        Column("COMM", 16),
        Column("TID", 6),
        Column("LAT(us)", 14, ">", field="latency_us", value=lambda _, w: w.waited_ns // 1_000),
        Column("PREV COMM", 16, field="prev_comm", when=previous),
        Column("PREV TID", 6, field="prev_tid", when=previous),
    ),
    header=header,
    filters=FILTERS,
    exclusive=[(only_pid, only_tid)],
    examples="""
        runqslower            # waits of more than 10000 us
        runqslower 1000       # waits of more than 1000 us
        runqslower -p 123     # trace process 123 only
        runqslower -t 123     # trace thread 123 only
        runqslower -P         # also show who had the CPU before
        runqslower -j         # print JSON, one object per line
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
