"""Trace the stat() family of calls: who asked about which file, and what came of it.

Each of stat(), lstat(), fstatat(), statx() and statfs() with a path is a line, when it returns. A
path is what the program asked for, relative ones too; empty if the call was about a descriptor.

Output:   FD is 0, or -1 after an error, and ERR the error number, or 0. TIME(s) is the time since
          tracing began.
Cost:     two tracepoints, and one hash insert and delete for each call.
Needs:    Linux 5.8.
Source:   behaviour after BCC's statsnoop (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from pyebpf import (
    Char,
    Const,
    Events,
    Hash,
    TracepointContext,
    chars,
    comm,
    i32,
    ktime_get_ns,
    record,
    tgid,
    tid,
    tracepoint,
    u32,
    u64,
)
from pyebpf.cli import Column, Elapsed, Lines, Tool
from pyebpf.lib.filters import FILTERS, is_wanted
from pyebpf.lib.syscalls import LEGACY, error_of, zero_or_error

timestamp = Const(False, "-t", "--timestamp", help="include the time in the output")
sysname = Const(False, "-s", "--sysname", help="show the name of the system call")
failed = Const(False, "-x", "--failed", help="only show failed stats")

NAMES = ("stat", "lstat", "fstatat", "statx", "statfs")


@record
class Call:
    """What a call asks about."""

    path: u64
    name: u32


@record
class Asked:
    """A call that has returned."""

    ts_ns: u64
    pid: u32
    ret: i32
    name: u32
    comm: Char = chars(16)
    path: Char = chars(4096)


calls = Hash[u32, Call](max_entries=10_240)
asked = Events[Asked](pages=64, trim=True)


def begin(path: u64, name: u32) -> None:
    """Remember what a call asks about."""
    if is_wanted():
        calls[tid()] = Call(path=path, name=name)


@tracepoint("syscalls:sys_enter_newstat", when=LEGACY)
def on_stat(ctx: TracepointContext) -> None:
    """Begin stat()."""
    begin(ctx.filename, 0)


@tracepoint("syscalls:sys_enter_newlstat", when=LEGACY)
def on_lstat(ctx: TracepointContext) -> None:
    """Begin lstat()."""
    begin(ctx.filename, 1)


@tracepoint("syscalls:sys_enter_newfstatat")
def on_fstatat(ctx: TracepointContext) -> None:
    """Begin fstatat()."""
    begin(ctx.filename, 2)


@tracepoint("syscalls:sys_enter_statx")
def on_statx(ctx: TracepointContext) -> None:
    """Begin statx()."""
    begin(ctx.filename, 3)


@tracepoint("syscalls:sys_enter_statfs")
def on_statfs(ctx: TracepointContext) -> None:
    """Begin statfs()."""
    begin(ctx.pathname, 4)


@tracepoint("syscalls:sys_exit_newstat", when=LEGACY)
@tracepoint("syscalls:sys_exit_newlstat", when=LEGACY)
@tracepoint("syscalls:sys_exit_newfstatat")
@tracepoint("syscalls:sys_exit_statx")
@tracepoint("syscalls:sys_exit_statfs")
def on_return(ctx: TracepointContext) -> None:
    """Send what came of it."""
    call = calls.pop(tid())
    if call is None or (failed and ctx.ret >= 0):
        return
    with asked.reserve() as e:
        if timestamp:
            e.ts_ns = ktime_get_ns()
        e.pid, e.ret, e.name, e.comm = tgid(), ctx.ret, call.name, comm()
        e.path.read_user_str(call.path)


tool: Tool[None] = Tool(
    __name__,
    probes=[on_stat, on_lstat, on_fstatat, on_statx, on_statfs, on_return],
    lines=Lines(
        asked,
        Elapsed("TIME(s)", 14, format=".9f", field="ts_ns", when=timestamp),
        Column("PID", 6),
        Column("COMM", 16),
        Column("FD", 4, ">", value=zero_or_error),
        Column("ERR", 3, ">", value=error_of),
        Column("SYSCALL", 8, value=lambda _, row: NAMES[row.name], when=sysname),
        Column("PATH", 0),
    ),
    filters=FILTERS,
    examples="""
        statsnoop             # trace all stat() calls
        statsnoop -t          # include timestamps
        statsnoop -x          # only show failed stats
        statsnoop -s          # show the name of the system call
        statsnoop -p 181      # only trace process 181
        statsnoop --exec ls   # run a command, and trace it alone
        statsnoop -j          # print JSON, one object per line
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
