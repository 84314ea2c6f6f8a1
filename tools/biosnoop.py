"""Print each block device I/O, with who asked for it and how long it took.

LAT(ms) runs from the moment a request is issued to its device to the moment it is complete; with -Q
QUE(ms) is what passed before, since it became a request. TIME(s) is when it was complete, since
tracing began. PID and COMM are whoever asked: a thread of the kernel for what is written back, "?"
and 0 where nobody was seen, as for commands of drivers and what was under way when tracing began.

Output:   a line for each request. T is R (read), W (write), D (discard), F (flush) or N (others).
          With -P, P is S if a request begins where the last one to its disk ended, R if not, ? for
          the first.
Cost:     three probes; one hash insert and delete, and one record, per I/O.
Needs:    Linux 5.5, with BTF.
Source:   behaviour after BCC's biosnoop (Brendan Gregg, 2015); written from scratch.
"""

from __future__ import annotations

from pyebpf import (
    Char,
    Const,
    Events,
    Hash,
    Ptr,
    chars,
    i32,
    ktime_get_ns,
    record,
    u32,
    u64,
)
from pyebpf.cli import Column, Elapsed, Lines, Tool
from pyebpf.host.disks import name_of_dev, whole_disk
from pyebpf.kernel import request
from pyebpf.lib import block
from pyebpf.lib.block import (
    FIRST,
    RANDOM,
    SEQUENTIAL,
    Asked,
    bytes_left,
    disk_dev,
    key_of,
    letter,
    lies,
    note_begun,
    note_issued,
)
from pyebpf.lib.filters import FILTERS

queue = Const(False, "-Q", "--queue", help="include OS queued time")
only_dev = Const(0, "-d", "--disk", help="trace this disk only", convert=whole_disk)
pattern = Const(False, "-P", "--pattern", help="display whether I/O is sequential or random")


@record
class Done:
    """A request that is complete."""

    ended_ns: u64
    latency_ns: u64
    queued_ns: u64
    sector: u64
    size: u32
    flags: u32
    dev: u32
    pid: u32
    place: u32
    comm: Char = chars(16)


asked = Hash[u64, Asked](max_entries=10_240)
ends = Hash[u32, u64](max_entries=4096)
done = Events[Done](pages=512)


@block.begun()
def on_begin(what: u64, dev: u32) -> None:
    """Note who asks."""
    if not only_dev or dev == only_dev:
        note_begun(asked, what)


@block.issued()
def on_issue(rq: Ptr[request]) -> None:
    """Note when a request goes to its device."""
    if not only_dev or disk_dev(rq) == only_dev:
        note_issued(asked, rq)


@block.completed()
def on_complete(rq: Ptr[request], error: i32, nr_bytes: u32) -> None:
    """Send what is known of a request."""
    if nr_bytes < bytes_left(rq):
        return  # the rest is still to come
    about = asked.pop(key_of(rq))
    if about is None or not about.issued_ns:
        return
    now = ktime_get_ns()
    with done.reserve() as e:
        e.ended_ns, e.latency_ns = now, now - about.issued_ns
        e.sector, e.size, e.flags = about.sector, about.size, about.flags
        e.dev, e.pid, e.comm = disk_dev(rq), about.pid, about.comm
        if queue and about.begun_ns:
            e.queued_ns = about.issued_ns - about.begun_ns
        if pattern:
            e.place = lies(ends, e.dev, about.sector, about.size)


_PLACES = {FIRST: "?", SEQUENTIAL: "S", RANDOM: "R"}


tool: Tool[None] = Tool(
    __name__,
    probes=[on_begin, on_issue, on_complete],
    lines=Lines(
        done,
        Elapsed("TIME(s)", 11, format=".6f", field="time_s", value=lambda _, rq: rq.ended_ns),
        Column("COMM", 14, cut=True, value=lambda _, rq: rq.comm or "?"),
        Column("PID", 7),
        Column("DISK", 9, value=lambda _, rq: name_of_dev(rq.dev)),
        Column("T", 1, field="type", value=lambda _, rq: letter(rq.flags)),
        Column("SECTOR", 10),
        Column("BYTES", 7, value=lambda _, rq: rq.size),
        Column("P", 1, field="pattern", value=lambda _, rq: _PLACES[rq.place], when=pattern),
        Column(
            "QUE(ms)",
            7,
            ">",
            ".2f",
            field="queue_ms",
            value=lambda _, rq: rq.queued_ns / 1e6,
            when=queue,
        ),
        Column(
            "LAT(ms)", 7, ">", ".2f", field="latency_ms", value=lambda _, rq: rq.latency_ns / 1e6
        ),
    ),
    early=True,
    filters=FILTERS,
    examples="""
        biosnoop                      # trace all block I/O
        biosnoop -Q                   # include OS queued time in I/O time
        biosnoop -d sdc               # trace sdc only
        biosnoop -P                   # display block I/O pattern
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
