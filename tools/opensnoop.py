"""Trace open() calls: who opened which file, and what came of it.

Each of open(), openat() and openat2() is a line, when it returns. A path is what the program asked
for; it is read when the call ends, since its memory is there then. With -F the folders that a
relative path begins in are before it, as they are called in the mount namespace of the program.

Output:   FD is the new descriptor, or -1, and ERR the error number, or 0. TIME(s) is the time
          since tracing began; FLAGS and MODE are octal.
Cost:     two tracepoints, and one hash insert and delete for each call.
Needs:    Linux 5.8.
Source:   behaviour after BCC's opensnoop (Brendan Gregg, 2015); written from scratch.
"""

from __future__ import annotations

import os
from operator import or_
from typing import Any

from pyebpf import (
    Char,
    Const,
    Events,
    Hash,
    Session,
    TracepointContext,
    chars,
    comm,
    i32,
    ktime_get_ns,
    read_user,
    record,
    tgid,
    tid,
    tracepoint,
    u32,
    u64,
    uid,
)
from pyebpf.cli import Column, Elapsed, Lines, Tool
from pyebpf.lib.containers import cgroup_map, is_traced, mntns_map
from pyebpf.lib.filters import FILTERS, is_wanted, only_tid
from pyebpf.lib.paths import AT_FDCWD, located, whole
from pyebpf.lib.syscalls import LEGACY, error_of

__all__ = ["cgroup_map", "mntns_map", "tool"]  # options of theirs are options of the tool
_O_CREAT, _O_TMPFILE = os.O_CREAT, os.O_TMPFILE & ~os.O_DIRECTORY


def flags_of(names: str) -> int:
    """Return the bits of flags such as ``"O_CREAT,O_RDWR"``."""
    bits = 0
    for name in names.split(","):
        bit = getattr(os, name, 0) if name.startswith("O_") else 0
        if not bit:
            why = "is no bit that can be looked for" if hasattr(os, name) else "is no flag of open"
            raise ValueError(
                f"{name!r} {why}; there are O_WRONLY, O_RDWR, O_CREAT, O_TRUNC and so on"
            )
        bits |= bit
    return bits


timestamp = Const(False, "-T", "--timestamp", help="include the time in the output")
print_uid = Const(False, "-U", "--print-uid", help="print the user id")
failed = Const(False, "-x", "--failed", help="only show failed opens")
only_name = Const("", "-n", "--name", help="only print processes whose name contains this")
extended = Const(False, "-e", "--extended_fields", help="show the flags and the mode")
full = Const(False, "-F", "--full-path", help="show relative paths with all their folders")
pages = Const(64, "-b", "--buffer-pages", help="pages of the buffer, 64 by default", metavar="N")
any_flag = Const(
    0,
    "-f",
    "--flag_filter",
    help="only opens with one of these: O_CREAT,O_RDWR",
    convert=flags_of,
    metavar="FLAGS",
    merge=or_,
)


@record
class How:
    """``struct open_how`` of ``include/uapi/linux/openat2.h``."""

    flags: u64
    mode: u64
    resolve: u64


@record
class Call:
    """What a call asks for."""

    path: u64
    flags: i32
    mode: u32
    folder: i32


@record
class Opened:
    """An open that has returned."""

    ts_ns: u64
    pid: u32
    tid: u32
    uid: u32
    ret: i32
    flags: i32
    mode: u32
    length: u32
    is_whole: bool
    comm: Char = chars(16)
    path: Char = chars(4096)


calls = Hash[u32, Call](max_entries=10_240)
opened = Events[Opened](pages=pages, trim=True)


def begin(folder: i32, path: u64, flags: i32, mode: u32) -> None:
    """Remember what a call asks for."""
    if any_flag and not flags & any_flag:
        return
    if is_wanted() and is_traced():
        calls[tid()] = Call(path=path, flags=flags, mode=mode, folder=folder)


@tracepoint("syscalls:sys_enter_open", when=LEGACY)
def on_open(ctx: TracepointContext) -> None:
    """Begin open()."""
    begin(AT_FDCWD, ctx.filename, ctx.flags, ctx.mode)


@tracepoint("syscalls:sys_enter_openat")
def on_openat(ctx: TracepointContext) -> None:
    """Begin openat()."""
    begin(ctx.dfd, ctx.filename, ctx.flags, ctx.mode)


@tracepoint("syscalls:sys_enter_openat2")
def on_openat2(ctx: TracepointContext) -> None:
    """Begin openat2(), whose arguments are in the memory of the process."""
    how = read_user(How, ctx.how)
    begin(ctx.dfd, ctx.filename, how.flags, how.mode)


@tracepoint("syscalls:sys_exit_open", when=LEGACY)
@tracepoint("syscalls:sys_exit_openat")
@tracepoint("syscalls:sys_exit_openat2")
def on_return(ctx: TracepointContext) -> None:
    """Send what came of it."""
    call = calls.pop(tid())
    if call is None or (failed and ctx.ret >= 0):
        return
    with opened.reserve() as e:
        if timestamp:
            e.ts_ns = ktime_get_ns()
        e.pid, e.tid, e.uid, e.ret = tgid(), tid(), uid(), ctx.ret
        e.flags, e.mode, e.comm = call.flags, call.mode, comm()
        if not full:
            e.path.read_user_str(call.path)
        elif (found := located(call.path, call.folder)) is not None:
            e.length, e.is_whole, e.path = found.length, found.is_whole, found.text


def mode_of(_: Session, row: Any) -> int | None:
    """Return the permissions that a new file gets; other opens have none."""
    mode: int = row.mode
    return mode if row.flags & (_O_CREAT | _O_TMPFILE) else None


def path_of(session: Session, row: Any) -> str:
    """Return what was opened."""
    text: str = row.path
    return whole(text, row.length, is_whole=row.is_whole) if session.option(full) else text


tool: Tool[None] = Tool(
    __name__,
    probes=[on_open, on_openat, on_openat2, on_return],
    lines=Lines(
        opened,
        Elapsed("TIME(s)", 14, format=".9f", field="ts_ns", when=timestamp),
        Column("UID", 6, when=print_uid),
        Column("PID", 6, when=lambda session: not session.option(only_tid)),
        Column("TID", 6, when=only_tid),
        Column("COMM", 16),
        Column("FD", 4, ">", value=lambda _, row: max(row.ret, -1)),
        Column("ERR", 3, ">", value=error_of),
        Column("FLAGS", 8, format="08o", when=extended),
        Column("MODE", 4, format="04o", value=mode_of, absent="n/a", when=extended),
        Column("PATH", 0, value=path_of),
        keep=lambda session, row: session.option(only_name) in row.comm,
    ),
    filters=FILTERS,
    examples="""
        opensnoop                       # trace all open() calls
        opensnoop -T                    # include timestamps
        opensnoop -U                    # include the user
        opensnoop -x                    # only show failed opens
        opensnoop -p 181                # only trace process 181
        opensnoop -t 123                # only trace thread 123
        opensnoop -u 1000               # only trace user 1000
        opensnoop --container web       # only trace what runs in this container
        opensnoop -d 10                 # trace for 10 seconds
        opensnoop -n main               # only print processes whose name contains "main"
        opensnoop -e                    # show the flags and the mode
        opensnoop -f O_WRONLY,O_RDWR    # only print opens for writing
        opensnoop -F                    # show relative paths with all their folders
        opensnoop --exec ls /tmp        # run a command, and trace it alone
        opensnoop -j                    # print JSON, one object per line
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
