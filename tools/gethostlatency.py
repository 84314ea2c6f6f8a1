"""Trace lookups of host names: who asked for which name, and how long the answer took.

Seen are getaddrinfo, gethostbyname and gethostbyname2 of the C library, when they return, whether
they found an address or not, from a server, a file or a cache. Programs that ask name servers by
themselves, without this library, are not seen; most of Go's are among them.

Output:   LATms is the time from call to return. HOST is what was asked for, up to 255 bytes.
Cost:     six probes; a hash insert and delete for each lookup. Each hit takes microseconds.
Needs:    Linux 5.8. A container has a library of its own: name a process (-p), or the file
          (-l /proc/PID/root/usr/lib/libc.so.6).
Source:   behaviour after BCC's gethostlatency (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from pyebpf import (
    Char,
    Const,
    Events,
    LruHash,
    Probe,
    UserPtr,
    chars,
    comm,
    ktime_get_ns,
    record,
    tgid,
    tid,
    u8,
    u32,
    u64,
    uprobe,
    uretprobe,
)
from pyebpf.cli import Clock, Column, Lines, Tool
from pyebpf.lib.filters import FILTERS, is_wanted, only_pid

library = Const("c", "-l", "--library", help="trace this C library", metavar="PATH")


@record
class Asked:
    """A lookup that has begun: when, and where its name is."""

    begun_ns: u64
    name: u64


@record
class Lookup:
    """A lookup that has ended."""

    ended_ns: u64
    took_ns: u64
    pid: u32
    comm: Char = chars(16)
    host: Char = chars(256)


lookups = Events[Lookup](pages=64, trim=True)


def ends_of(function: str) -> tuple[Probe, Probe]:
    """Return the probes at the ends of one function, which may be called inside of another."""
    # A thread that ends while it waits, as the one of a program that is interrupted, stays here.
    inside = LruHash[u32, Asked](max_entries=10_240)

    @uprobe(library, function, pid=only_pid)
    def on_ask(name: UserPtr[u8]) -> None:
        if name and is_wanted():  # without a name there is nothing to look up
            inside[tid()] = Asked(begun_ns=ktime_get_ns(), name=name)

    @uretprobe(library, function, pid=only_pid)
    def on_answer() -> None:
        asked = inside.pop(tid())
        if asked is None:
            return
        with lookups.reserve() as e:
            e.ended_ns = ktime_get_ns()
            e.took_ns = e.ended_ns - asked.begun_ns
            e.pid, e.comm = tgid(), comm()
            e.host.read_user_str(asked.name)  # the function has read it: it is in memory now

    return on_ask, on_answer


tool: Tool[None] = Tool(
    __name__,
    probes=[
        probe
        for function in ("getaddrinfo", "gethostbyname", "gethostbyname2")
        for probe in ends_of(function)
    ],
    lines=Lines(
        lookups,
        Clock("TIME", 9, field="time", value=lambda _, lookup: lookup.ended_ns),
        Column("PID", 7),
        Column("COMM", 16),
        Column(
            "LATms",
            10,
            ">",
            ".3f",
            field="latency_ms",
            value=lambda _, lookup: lookup.took_ns / 1e6,
        ),
        Column("HOST", 0),
    ),
    early=True,
    filters=FILTERS,
    examples="""
        gethostlatency                # trace lookups of host names
        gethostlatency -p 181         # only those of process 181
        gethostlatency -u 1000        # only those of user 1000
        gethostlatency -l /opt/libc   # in programs that use another C library
        gethostlatency -j             # print JSON, one object per line
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
