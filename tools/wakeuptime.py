"""Summarise how long tasks slept, by the kernel's stack of what woke them.

The time runs from the moment that a task leaves its CPU until it is woken; the stack and the waker
are of that moment. Tasks that are woken by an interrupt have whatever it interrupted as waker.

Output:   a block for each target, stack and waker, the longest time last: who was woken, functions
          of the kernel, the innermost first; who woke it; microseconds.
Cost:     two probes; for each sleep a hash insert and delete, and a stack.
          Busy machines switch tasks 100,000 times a second: trace a process, not all.
Needs:    Linux 5.5, with BTF.
Source:   behaviour after BCC's wakeuptime (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf import Char, Const, Hash, Ptr, Session, chars, comm, i64, ktime_get_ns, record, u64
from pyebpf.cli import StackLayout, Tool, stack_counts
from pyebpf.kernel import task_struct
from pyebpf.lib import sched
from pyebpf.lib.filters import FILTERS, is_task_wanted, only_pid
from pyebpf.lib.stacks import folded, kernel_stacks, stacks, storage

if TYPE_CHECKING:
    from pyebpf.symbols import StackCounts

__all__ = ["storage", "tool"]  # options of the tool

only_user = Const(False, "-u", "--useronly", help="user threads only, none of the kernel")
verbose = Const(False, "-v", "--verbose", help="show raw addresses")
min_us = Const(1, "-m", "--min-block-time", help="count times of so many us at least")
max_us = Const(0, "-M", "--max-block-time", help="count times of so many us at most")


@record
class Wake:
    """Who woke whom, and where."""

    kernel: i64
    waker: Char = chars(16)
    target: Char = chars(16)


since = Hash[Ptr[task_struct], u64](max_entries=65_536)
slept = Hash[Wake, u64](max_entries=40_960)


@sched.switched()
def on_switch(prev: Ptr[task_struct], _: Ptr[task_struct], is_ready: bool) -> None:
    """Remember when a task begins to sleep."""
    if is_wanted(prev) and not is_ready and not sched.is_dead(prev):
        since[prev] = ktime_get_ns()


@sched.waking()
def on_wake(task: Ptr[task_struct]) -> None:
    """Count the time that it slept."""
    began = since.pop(task)
    if began is None:
        return
    us = (ktime_get_ns() - began) // 1_000
    if us >= min_us and (not max_us or us <= max_us):
        slept[Wake(kernel=stacks.kernel(), waker=comm(), target=task.comm)] += us


def is_wanted(task: Ptr[task_struct]) -> bool:
    """Tell whether a task is among those asked for."""
    if only_user and sched.is_kernel_thread(task):
        return False
    return is_task_wanted(task) and not sched.is_idle(task)


def report(session: Session) -> StackCounts:
    """Name the stacks; below is who woke, above who was woken. The counts are microseconds."""
    wakes: Any = session[slept].items()
    target = "{}" if session.option(folded) else f"{'target:':16} {{}}"
    addresses = session.option(verbose) and not session.option(folded)
    names = kernel_stacks(session, {wake.kernel for wake, _ in wakes}, addresses=addresses)
    rows = (
        (wake.waker, (), (*names[wake.kernel], target.format(wake.target)), us)
        for wake, us in wakes
    )
    return stack_counts(rows, unit="us")


def header(session: Session) -> str:
    """Return what is printed when tracing begins; nothing before folded stacks."""
    if session.option(folded):
        return ""
    return "Tracing blocked time (us) by kernel stack... Hit Ctrl-C to end."


tool = Tool(
    __name__,
    probes=[on_switch, on_wake],
    report=report,
    layout=StackLayout(folded=folded, head="waker:"),
    header=header,
    single=True,
    filters=FILTERS,
    exclusive=[(only_pid, only_user)],
    examples="""
        wakeuptime                # trace blocked time with waker stacks
        wakeuptime 5              # trace for 5 seconds only
        wakeuptime -f 5           # folded stacks, for flame graphs
        wakeuptime -u             # no threads of the kernel
        wakeuptime -p 185         # trace process 185 only
        wakeuptime -m 1000        # only times of 1000 us or more
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
