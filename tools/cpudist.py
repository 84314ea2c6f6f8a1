"""Summarise how long tasks run on a CPU at a time, or with -O are off it, as a log2 histogram.

Off a CPU is a task that waits for something, and one that would run but has none. What began before
tracing did is not counted, nor what has not ended.

Output:   one histogram per interval, in microseconds or with -m in milliseconds; with -P or -L one
          for each process or thread. With -I also of idle CPUs, as process 0.
Cost:     one probe; one hash insert and delete per switch of tasks.
Needs:    Linux 5.5, with BTF.
Source:   behaviour after BCC's cpudist (Sasha Goldshtein, 2016); written from scratch.
"""

from __future__ import annotations

from typing import Any

from pyebpf import Const, Hash, Ptr, Session, ktime_get_ns, u64
from pyebpf.cli import Tool, averaged
from pyebpf.kernel import task_struct
from pyebpf.lib import sched
from pyebpf.lib.durations import add, by_pid, by_tid, extended, milliseconds, taken
from pyebpf.lib.filters import FILTERS, is_task_wanted

__all__ = ["by_pid", "by_tid", "extended", "milliseconds", "tool"]  # options of the tool

off_cpu = Const(False, "-O", "--offcpu", help="measure off-CPU time")
with_idle = Const(False, "-I", "--include-idle", help="include CPU idle time")

since = Hash[Ptr[task_struct], u64](max_entries=65_536)


@sched.switched()
def on_switch(prev: Ptr[task_struct], following: Ptr[task_struct], _: bool) -> None:
    """Count the time that ends, and begin another."""
    begins, ends = (prev, following) if off_cpu else (following, prev)
    now = ktime_get_ns()
    began = since.pop(ends)
    if began is not None:
        add(ends, now - began)
    if is_wanted(begins) and not (off_cpu and sched.is_dead(begins)):
        since[begins] = now


def is_wanted(task: Ptr[task_struct]) -> bool:
    """Tell whether a task is among those asked for."""
    return is_task_wanted(task) and (bool(with_idle) or not sched.is_idle(task))


def report(session: Session) -> Any:
    """Take one interval: a ``Hist``, or a ``KeyedHist`` by processes or threads."""
    return taken(session)


def show(session: Session, result: Any) -> str:
    """Draw it, and with -e say the average."""
    return averaged(result) if session.option(extended) else str(result)


def header(session: Session) -> str:
    """Return what is printed when tracing begins."""
    return f"Tracing {'off' if session.option(off_cpu) else 'on'}-CPU time... Hit Ctrl-C to end."


tool = Tool(
    __name__,
    probes=[on_switch],
    report=report,
    show=show,
    header=header,
    filters=FILTERS,
    exclusive=[(by_pid, by_tid)],
    examples="""
        cpudist               # summarize on-CPU time as a histogram
        cpudist -O            # summarize off-CPU time as a histogram
        cpudist 1 10          # print 1 second summaries, 10 times
        cpudist -mT 1         # 1s summaries, milliseconds, and timestamps
        cpudist -P            # show each process separately
        cpudist -p 185        # trace process 185 only
        cpudist -I            # include CPU idle time
        cpudist -e            # show average and total as well
        cpudist -j            # print JSON
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
