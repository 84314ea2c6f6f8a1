"""Print each process that the kernel kills because memory has run out, and who ran out of it.

Where the kernel decides cannot always be traced; where it marks the victim can. PAGES are, in the
first case, those that there were to be had, of the machine or of a control group with a limit; in
the second it is told instead how much memory the victim had.

Output:   a line for each kill, with the machine's load; below it the call stack of the process that
          wanted memory. It has names as long as that process is there.
Cost:     none, until memory runs out.
Needs:    functions of the kernel that can be traced, or Linux 6.9.
Source:   behaviour after BCC's oomkill (Brendan Gregg, 2016); written from scratch. The stack is
          named by the process whose it is; there, by the victim's memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pyebpf import (
    Char,
    Events,
    Ptr,
    Session,
    TracepointContext,
    chars,
    comm,
    fentry,
    first_of,
    i64,
    kprobe,
    ktime_get_ns,
    record,
    tgid,
    tracepoint,
    u32,
    u64,
)
from pyebpf.cli import Below, Clock, Column, Lines, Tool, printable
from pyebpf.cli.layout import load_average
from pyebpf.kernel import oom_control
from pyebpf.lib.stacks import described, stacks


@record
class Kill:
    """A process that is killed, and the one that wanted memory; of two sizes one is known."""

    ts_ns: u64
    pages: u64
    resident_kb: u64
    stack: i64
    pid: u32
    victim: u32
    comm: Char = chars(16)
    victim_comm: Char = chars(16)


kills = Events[Kill](pages=16)


def by_function(oc: Ptr[oom_control]) -> None:
    """Send a victim that was chosen."""
    with kills.reserve() as e:
        e.ts_ns, e.pid, e.comm, e.stack = ktime_get_ns(), tgid(), comm(), stacks.user()
        e.pages = oc.totalpages
        e.victim, e.victim_comm = oc.chosen.tgid, oc.chosen.comm


# It says more than a number since Linux kernel commit 72ba14deb40a ("mm: update mark_victim
# tracepoints fields") (in v6.9).
def by_tracepoint(ctx: TracepointContext) -> None:
    """Send a victim that is about to be killed."""
    with kills.reserve() as e:
        e.ts_ns, e.pid, e.comm, e.stack = ktime_get_ns(), tgid(), comm(), stacks.user()
        e.resident_kb = ctx.anon_rss + ctx.file_rss + ctx.shmem_rss
        e.victim, e.victim_comm = ctx.pid, ctx.comm


on_kill = first_of(
    fentry("oom_kill_process")(by_function),
    kprobe("oom_kill_process")(by_function),
    tracepoint("oom:mark_victim")(by_tracepoint),
    name="on_kill",
)


def stack_of(session: Session, kill: Any) -> list[str]:
    """Name the call stack of who wanted memory."""
    return described(session, kill.stack, kill.pid)


def said(kill: Mapping[str, Any]) -> str:
    """Say what happened."""
    pages, resident = kill["pages"], kill["resident_kb"]
    size = f"{resident} kB resident" if pages is None else f"{pages} pages"
    return (
        f'{kill["time"]} Triggered by PID {kill["pid"]} ("{printable(kill["comm"])}"), '
        f'OOM kill of PID {kill["victim"]} ("{printable(kill["victim_comm"])}"), '
        f"{size}, loadavg: {kill['loadavg']}"
    )


def stack_lines(stack: list[str]) -> Iterator[str]:
    """Yield the lines of a stack."""
    yield "  Stack trace:" if stack else "  Failed to capture stack trace"
    yield from (f"    {printable(function)}" for function in stack)


tool: Tool[None] = Tool(
    __name__,
    probes=[on_kill],
    lines=Lines(
        kills,
        Clock("TIME", 9, value=lambda _, kill: kill.ts_ns),
        Column("PID", 7),
        Column("COMM", 16),
        Column("VICTIM", 7),
        Column("VCOMM", 16, field="victim_comm"),
        Column("PAGES", 9, value=lambda _, kill: kill.pages or None),
        Column(
            "RESIDENT", 9, field="resident_kb",
            value=lambda _, kill: None if kill.pages else kill.resident_kb,
        ),
        Column("LOADAVG", 0, value=lambda *_: load_average()),
        Below("STACK", 0, value=stack_of, drawn=stack_lines),
        sentence=said,
    ),
    header="Tracing OOM kills... Ctrl-C to stop.",
    early=True,
    filters="kills are few, and each is of two processes: who wanted memory, and the victim",
    examples="""
        oomkill      # trace kills because of memory
        oomkill -j   # a line of JSON for each
    """,
)  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(tool.main())
