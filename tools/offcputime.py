"""Summarise by stack how long tasks were off their CPUs: blocked, or waiting for one.

The stacks are those of a task when it leaves its CPU; the time is counted when it is back on one,
so what is still blocked at the end is not.

Output:   a block for each stack, the longest time last: functions of the kernel, then of user
          space, the innermost first; name and number of the thread; microseconds.
Cost:     one probe; for each switch of a traced task one or two stacks, a hash insert and delete.
          Busy machines switch tasks 100,000 times a second: trace processes, not all.
Needs:    Linux 5.5, with BTF. User stacks need programs with frame pointers.
Source:   behaviour after BCC's offcputime (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf import Char, Const, Hash, Ptr, Session, chars, i64, ktime_get_ns, record, u32, u64
from pyebpf.cli import StackLayout, Tool, numbers
from pyebpf.kernel import task_struct
from pyebpf.lib import sched
from pyebpf.lib.filters import FILTERS, is_task_wanted
from pyebpf.lib.stacks import (
    delimited,
    folded,
    kernel_only,
    kernel_stack,
    remember,
    storage,
    taken,
    user_only,
    user_stack,
    which,
)

if TYPE_CHECKING:
    from pyebpf.symbols import StackCounts

__all__ = ["kernel_only", "storage", "tool", "user_only"]  # options of the tool

only_pids: tuple[int, ...] = Const(
    (), "-p", "--pid", help="trace these processes only: 185,175", convert=numbers, metavar="PIDS"
)
only_tids: tuple[int, ...] = Const(
    (), "-t", "--tid", help="trace these threads only: 188,120", convert=numbers, metavar="TIDS"
)
only_user = Const(False, "-u", "--user-threads-only", help="no threads of the kernel")
only_kernel = Const(False, "-k", "--kernel-threads-only", help="threads of the kernel only")
offset = Const(False, "-s", "--offset", help="show how far into each function")
min_us = Const(1, "-m", "--min-block-time", help="count times of so many us at least")
max_us = Const(0, "-M", "--max-block-time", help="count times of so many us at most")
state = Const(-1, "--state", help="only in these states, bits of include/linux/sched.h; 0: ready")


@record
class Left:
    """A task that is off its CPU: since when, and where it left."""

    since_ns: u64
    user: i64
    kernel: i64


@record
class Place:
    """Where who was off its CPU."""

    pid: u32
    tid: u32
    comm: Char = chars(16)
    user: i64
    kernel: i64


left = Hash[Ptr[task_struct], Left](max_entries=65_536)
blocked = Hash[Place, u64](max_entries=40_960)


@sched.switched()
def on_switch(prev: Ptr[task_struct], following: Ptr[task_struct], _: bool) -> None:
    """Count the time of the task that comes, and remember where the other one left."""
    now = ktime_get_ns()
    was = left.pop(following)
    if was is not None:
        us = (now - was.since_ns) // 1_000
        if us >= min_us and (not max_us or us <= max_us):
            pid, tid = following.tgid, following.pid
            place = Place(pid=pid, tid=tid, comm=following.comm, user=was.user, kernel=was.kernel)
            blocked[place] += us
    if is_wanted(prev) and not sched.is_dead(prev):
        left[prev] = Left(since_ns=now, user=user_stack(), kernel=kernel_stack())


def is_wanted(task: Ptr[task_struct]) -> bool:
    """Tell whether a task that leaves its CPU is among those asked for; an idle CPU is no task."""
    if (only_pids and task.tgid not in only_pids) or (only_tids and task.pid not in only_tids):
        return False
    if (only_user and sched.is_kernel_thread(task)) or (
        only_kernel and not sched.is_kernel_thread(task)
    ):
        return False
    return not sched.is_idle(task) and is_task_wanted(task) and is_in_state(task)


def is_in_state(task: Ptr[task_struct]) -> bool:
    """Tell whether a task is in one of the states asked for."""
    if state > 0:
        return sched.state(task) & state != 0
    return state < 0 or sched.state(task) == 0


def report(session: Session) -> StackCounts:
    """Name the stacks; the counts are microseconds."""
    shown = session.option(offset)
    counts: StackCounts = taken(session, session[blocked], number="tid", unit="us", offsets=shown)
    return counts


def header(session: Session) -> str:
    """Return what is printed when tracing begins; nothing before folded stacks."""
    if session.option(folded):
        return ""
    if session.option(only_pids) or session.option(only_tids):
        one, several = ("PIDs", only_pids) if session.option(only_pids) else ("TIDs", only_tids)
        whose = f"{one} {','.join(map(str, session.option(several)))}"
    elif session.option(only_user) or session.option(only_kernel):
        whose = f"{'user' if session.option(only_user) else 'kernel'} threads"
    else:
        whose = "all threads"
    kind = which(session)
    return f"Tracing off-CPU time (us) of {whose} by {kind} stack... Hit Ctrl-C to end."


tool = Tool(
    __name__,
    probes=[on_switch],
    report=report,
    layout=StackLayout(folded=folded, delimited=delimited),
    header=header,
    single=True,
    meanwhile=lambda session: remember(session, session.option(only_pids)),
    process=only_pids,
    filters=FILTERS,
    exclusive=[
        (only_pids, only_tids, only_user, only_kernel),
        (user_only, kernel_only),
        (only_kernel, user_only),
        (folded, offset),
    ],
    examples="""
        offcputime                # trace off-CPU time by stack until Ctrl-C
        offcputime 5              # trace for 5 seconds only
        offcputime -f 5           # folded stacks, for flame graphs
        offcputime -s 5           # show offsets into functions
        offcputime -m 1000        # only times of 1000 us or more
        offcputime -M 10000       # only times of 10000 us or less
        offcputime -p 185,175     # only processes 185 and 175
        offcputime -t 188,120     # only threads 188 and 120
        offcputime -u             # no threads of the kernel
        offcputime -k             # threads of the kernel only
        offcputime -U             # stacks of user space only
        offcputime -K             # stacks of the kernel only
        offcputime --state 2      # only what could not be interrupted
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
