"""Trace kill() calls: who sent which signal to whom, and whether it was sent.

Output:   TPID is what the caller named: a process, or 0 or a negative number for a group or all.
          RESULT is 0, or a negative error number.
Cost:     two tracepoints, and one hash insert and delete for each call.
Needs:    Linux 5.8.
Source:   behaviour after BCC's killsnoop (Brendan Gregg, 2015); written from scratch. Signals sent
          by tkill() and tgkill() are other calls, and not shown, as there.
"""

from __future__ import annotations

import signal

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
from pyebpf.cli import Clock, Column, Lines, Tool
from pyebpf.lib.filters import FILTERS, is_wanted


def signals(text: str) -> int:
    """Return a bit for each signal of a list such as ``"9,TERM"``: the lowest is of signal 1."""
    bits = 0
    for name in text.split(","):
        word = name.strip().upper().removeprefix("SIG")
        found = word if word.isascii() and word.isdigit() else getattr(signal, f"SIG{word}", 0)
        if not 1 <= int(found) <= 64:
            raise ValueError(
                f"{name!r} is no signal: a number from 1 to 64, or a name such as TERM"
            )
        bits |= 1 << int(found) - 1
    return bits


failed = Const(False, "-x", "--failed", help="only show failed kills")
only_tpid = Const(0, "-T", "--tpid", help="only signals to this process, or group if negative")
only_signals = Const(0, "-s", "--signal", help="only these signals: 9,TERM", convert=signals)


@record
class Kill:
    """A call that has returned."""

    ts_ns: u64
    pid: u32
    sig: i32
    tpid: i32
    result: i32
    comm: Char = chars(16)


calls = Hash[u32, tuple[i32, i32]](max_entries=10_240)
kills = Events[Kill](pages=64)


@tracepoint("syscalls:sys_enter_kill")
def on_kill(ctx: TracepointContext) -> None:
    """Remember what a call asks for."""
    to = ctx.pid  # negative for a group
    if (only_tpid and to != only_tpid) or not is_wanted():
        return
    if only_signals and not (1 <= ctx.sig <= 64 and only_signals >> (ctx.sig - 1) & 1):
        return
    calls[tid()] = to, ctx.sig


@tracepoint("syscalls:sys_exit_kill")
def on_return(ctx: TracepointContext) -> None:
    """Send what came of it."""
    call = calls.pop(tid())
    if call is None or (failed and ctx.ret >= 0):
        return
    tpid, sig = call
    with kills.reserve() as e:
        e.ts_ns, e.pid, e.comm = ktime_get_ns(), tgid(), comm()
        e.sig, e.tpid, e.result = sig, tpid, ctx.ret


tool: Tool[None] = Tool(
    __name__,
    probes=[on_kill, on_return],
    lines=Lines(
        kills,
        Clock("TIME", 9, field="ts_ns"),
        Column("PID", 6),
        Column("COMM", 16),
        Column("SIG", 4),
        Column("TPID", 6),
        Column("RESULT", 6),
    ),
    early=True,
    filters=FILTERS,
    examples="""
        killsnoop             # trace all kill() calls
        killsnoop -x          # only show failed kills
        killsnoop -p 181      # only calls of process 181
        killsnoop -T 189      # only signals to process 189
        killsnoop -s 9        # only signal 9
        killsnoop -j          # print JSON, one object per line
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
