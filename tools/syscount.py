"""Count system calls, by call or by process, and say how long they took.

A call is counted when it ends; with -L only if its begin was seen, too. Calls of 32-bit programs
have other numbers, which are shown as they are, [32-bit: 20]; on arm64 they are not told apart.

Output:   a table for each interval, the most frequent calls first; with -L those that took longest
          together.
Cost:     a tracepoint at the end of each system call, of every process, and one hash update; with
          -L one at its begin too, and one hash insert and delete.
Needs:    Linux 5.5, with BTF.
Source:   behaviour after BCC's syscount (Sasha Goldshtein, 2017); written from scratch.
"""

from __future__ import annotations

import errno
from time import strftime
from typing import Any

from pyebpf import (
    Average,
    Char,
    Const,
    Count,
    Hash,
    Session,
    TracepointContext,
    chars,
    current_task,
    i64,
    ktime_get_ns,
    record,
    tgid,
    tid,
    tracepoint,
    u32,
    u64,
)
from pyebpf.cli import Column, Table, Tool
from pyebpf.host import syscalls
from pyebpf.lib import filters
from pyebpf.lib.filters import FILTERS
from pyebpf.lib.task import is_in_32bit_call, parent_tgid


def errno_of(text: str) -> int:
    """Read an error number, ``2`` or ``ENOENT``."""
    names = {name: number for number, name in errno.errorcode.items()}
    number = names.get(text.upper(), int(text) if text.isdecimal() else 0)
    if number not in errno.errorcode:
        raise ValueError(f"{text!r} is no error: a name such as ENOENT, or its number")
    return number


only_ppid = Const(0, "-c", "--ppid", help="trace the children of this process only")
top = Const(10, "-T", "--top", help="print only so many rows (default: 10)")
failures = Const(False, "-x", "--failures", help="count failed calls only")
only_errno = Const(
    0, "-e", "--errno", help="count calls that failed with this error only", convert=errno_of
)
latency = Const(False, "-L", "--latency", help="say how long the calls took, and sort by it")
milliseconds = Const(False, "-m", "--milliseconds", help="times in milliseconds")
by_process = Const(False, "-P", "--process", help="count by process, not by call")
only_call = Const(
    -1, "--syscall", help="count this call only", convert=syscalls.number_of, metavar="NAME"
)
list_them = Const(False, "-l", "--list", help="print the names of all calls, and trace nothing")

NS = {"us": 1e3, "ms": 1e6}
OF_32BIT = 1 << 32  # more than any number of a call
LAST_ERROR = 4095  # MAX_ERRNO of include/linux/err.h


@record
class Process:
    """Who called: one that became another program is another."""

    pid: u32
    comm: Char = chars(16)


started = Hash[u32, u64](max_entries=65_536)
calls = Count[i64](max_keys=1_024)
times = Average[i64](unit="ns", max_keys=1_024)
processes = Count[Process](max_keys=10_240)
process_times = Average[Process](unit="ns", max_keys=10_240)


def is_wanted(number: i64) -> bool:
    """Tell whether the calling thread and the call are among those asked for."""
    return (
        filters.is_wanted()
        and (not only_ppid or parent_tgid(current_task()) == only_ppid)
        and (only_call < 0 or called(number) == only_call)
    )


def called(number: i64) -> i64:
    """Return a call's number, apart from those of 64-bit programs if it is not one of these."""
    return number + OF_32BIT if is_in_32bit_call(current_task()) else number


@tracepoint("raw_syscalls:sys_enter", when=latency)
def on_enter(ctx: TracepointContext) -> None:
    """Remember when a call began."""
    if is_wanted(ctx.id):
        started[tid()] = ktime_get_ns()


@tracepoint("raw_syscalls:sys_exit")
def on_exit(ctx: TracepointContext) -> None:
    """Count a call."""
    if not is_wanted(ctx.id):
        return
    if latency:
        since = started.pop(tid())
        if since is None:
            return
        if is_asked_for(ctx.ret):
            add_time(ctx.id, ktime_get_ns() - since)
    elif is_asked_for(ctx.ret):
        if by_process:
            processes.add(Process(pid=tgid(), comm=current_task().group_leader.comm))
        else:
            calls.add(called(ctx.id))


def is_asked_for(ret: i64) -> bool:
    """Tell whether a call ended as -x and -e want it."""
    if only_errno:
        return ret == -only_errno
    return not failures or -LAST_ERROR <= ret < 0


def add_time(number: i64, elapsed_ns: u64) -> None:
    """Count a call and its time."""
    if by_process:
        process_times.add(Process(pid=tgid(), comm=current_task().group_leader.comm), elapsed_ns)
    else:
        times.add(called(number), elapsed_ns)


def report(session: Session) -> list[dict[str, Any]]:
    """Take one interval: the rows of the table, first what there was most of."""
    timed, grouped = session.option(latency), session.option(by_process)
    if timed:
        taken: Any = session[process_times if grouped else times].take()
    else:
        taken = session[processes if grouped else calls].take()
    unit = unit_of(session)
    rows = []
    for key, seen in taken.top(session.option(top), by="sum" if timed else "count").items():
        row: dict[str, Any] = {"count": seen.count}
        if timed:
            row[f"time_{unit}"] = seen.sum / NS[unit]
        if seen.count:  # it is 0 of what was seen in an earlier interval only
            rows.append(named(key, grouped=grouped) | row)
    return rows


def named(key: Any, *, grouped: bool) -> dict[str, Any]:
    """Return the columns that say what a row is about."""
    if grouped:
        return {"pid": key.pid, "comm": key.comm}
    if key >= OF_32BIT:
        return {"syscall": f"[32-bit: {key - OF_32BIT}]"}
    return {"syscall": syscalls.name_of(key)}


def unit_of(session: Session) -> str:
    """Return the unit of times."""
    return "ms" if session.option(milliseconds) else "us"


def show(session: Session, rows: list[dict[str, Any]]) -> str:
    """Make the table of one interval."""
    if session.option(by_process):
        columns = [Column("PID", 6), Column("COMM", 15)]
    else:
        columns = [Column("SYSCALL", 22)]
    columns.append(Column("COUNT", 8, ">"))
    if session.option(latency):
        columns.append(Column(f"TIME ({unit_of(session)})", 16, ">", ".3f"))
    table = Table(*columns)
    lines = [table.header(), *(table.row(*row.values()) for row in rows)]
    return "\n".join([strftime("[%H:%M:%S]"), *lines])


def listed() -> str:
    """Return the names of all calls, one on a line."""
    return "".join(f"{name}\n" for name in sorted(syscalls.names().values()))


tool = Tool(
    __name__,
    probes=[on_enter, on_exit],
    report=report,
    show=show,
    header="Tracing syscalls... Hit Ctrl-C to end.",
    letters=["-i", "-d"],
    filters=FILTERS,
    instead={list_them: listed},
    examples="""
        syscount                      # the 10 most frequent calls, at Ctrl-C
        syscount -i 1                 # every second
        syscount -d 10                # of the next ten seconds
        syscount -L                   # those that took longest together, in microseconds
        syscount -mL -T 5             # the first five, in milliseconds
        syscount -P                   # by process
        syscount -p 1234              # of process 1234 only
        syscount -c 1234              # of the children of process 1234
        syscount -x                   # calls that failed
        syscount -e ENOENT -P         # processes that look for what is not there
        syscount --syscall openat -P  # processes that open files
        syscount -L --exec ls -l      # of ls, which it runs; ends with it
        syscount -l                   # the names of the calls
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
