"""Trace processes that end: how old they were, and what ended them.

Output:   AGE(s) is the time since the process, or with --per-thread the thread, began. EXIT_CODE
          is 0, or the code that it gave, or the signal that ended it.
Cost:     one tracepoint where a thread ends.
Needs:    Linux 5.8, with BTF.
Source:   behaviour after BCC's exitsnoop (Arturo Martin-de-Nicolas, 2019); written from scratch.
"""

from __future__ import annotations

import signal
from typing import Any

from pyebpf import (
    Char,
    Const,
    Events,
    Ptr,
    Session,
    chars,
    ktime_get_boot_ns,
    ktime_get_ns,
    record,
    u32,
    u64,
)
from pyebpf.cli import Clock, Column, Lines, Tool
from pyebpf.kernel import task_struct
from pyebpf.lib import task
from pyebpf.lib.filters import FILTERS, is_task_wanted

timestamp = Const(False, "-t", "--timestamp", help="include the time, of the local time zone")
utc = Const(False, "--utc", help="include the time in UTC")
only_ppid = Const(0, "-P", "--ppid", help="trace children of this process only")
label = Const("", "--label", help="begin each line with this label")
failed = Const(False, "-x", "--failed", help="only show what did not end with code 0")
per_thread = Const(False, "--per-thread", help="show each thread that ends")


@record
class Exit:
    """A process or a thread that ends."""

    ts_ns: u64
    age_ns: u64
    pid: u32
    ppid: u32
    tid: u32
    code: u32
    pcomm: Char = chars(16)


exits = Events[Exit](pages=64)


@task.exited()
def on_exit(now: Ptr[task_struct]) -> None:
    """Send how a process or a thread ends."""
    if (not per_thread and not task.is_leader(now)) or (failed and now.exit_code == 0):
        return
    if (only_ppid and task.parent_tgid(now) != only_ppid) or not is_task_wanted(now):
        return
    with exits.reserve() as e:
        if timestamp or utc:
            e.ts_ns = ktime_get_ns()
        e.age_ns = task.age_ns(now, ktime_get_boot_ns())
        e.pid, e.tid, e.ppid, e.code = now.tgid, now.pid, task.parent_tgid(now), now.exit_code
        e.pcomm = now.comm


def outcome(_: Session, row: Any) -> str:
    """Say what a wait status means."""
    number, status = row.code & 0x7F, row.code >> 8 & 0xFF
    if not number:
        return f"code {status}" if status else "0"
    names = {int(one): one.name.removeprefix("SIG") for one in signal.Signals}
    dumped = ", core dumped" if row.code & 0x80 else ""
    return f"signal {number} ({names.get(number, 'unknown')}){dumped}"


tool: Tool[None] = Tool(
    __name__,
    probes=[on_exit],
    lines=Lines(
        exits,
        Clock("TIME-UTC", 13, field="ts_ns", digits=3, utc=True, when=utc),
        Clock(
            "TIME",
            13,
            field="ts_ns",
            digits=3,
            when=lambda session: session.option(timestamp) and not session.option(utc),
        ),
        Column("LABEL", 6, value=lambda session, _: session.option(label), when=label),
        Column("PCOMM", 16),
        Column("PID", 7),
        Column("PPID", 7),
        Column("TID", 7),
        Column("AGE(s)", 7, format=".2f", value=lambda _, row: row.age_ns / 1e9),
        Column("EXIT_CODE", 0, value=outcome),
    ),
    early=True,
    filters=FILTERS,
    examples="""
        exitsnoop                 # trace all processes that end
        exitsnoop -x              # only those that failed: no code 0
        exitsnoop -t              # include the time, of the local time zone
        exitsnoop --utc           # include the time in UTC
        exitsnoop -p 181          # only process 181
        exitsnoop -P 181          # only children of process 181
        exitsnoop --label=exit    # begin each line with a label
        exitsnoop --per-thread    # show each thread that ends
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
