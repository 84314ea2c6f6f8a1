"""Show which processes do the most block device I/O, refreshed like top.

I/O belongs to whoever asked for it: a process, or a thread of the kernel for what is written back;
"?" and 0 where nobody was seen, as for commands of drivers and what was under way when tracing
began. AVGms is the time from the issue of a request to its completion.

Output:   a screen per interval: the load, and a row for each process, disk and kind of I/O, the
          most bytes first. D is R (read), W (write), D (discard), F (flush) or N (others).
Cost:     three probes; two hash inserts and a delete per I/O. A request that is counted in the very
          moment in which an interval ends may be missed.
Needs:    Linux 5.5, with BTF.
Source:   behaviour after BCC's biotop (Brendan Gregg, 2015); written from scratch.
"""

from __future__ import annotations

from typing import Any

from pyebpf import (
    ArrayOfMaps,
    Char,
    Const,
    Hash,
    Ptr,
    Session,
    chars,
    i32,
    ktime_get_ns,
    record,
    rows,
    u32,
    u64,
)
from pyebpf.cli import Column, Screen, Tool
from pyebpf.cli.options import positive
from pyebpf.host.disks import name_of_dev, whole_disk
from pyebpf.kernel import request
from pyebpf.lib import block
from pyebpf.lib.block import (
    Asked,
    bytes_left,
    disk_dev,
    key_of,
    letter,
    note_begun,
    note_issued,
    operation,
)
from pyebpf.lib.filters import FILTERS

noclear = Const(False, "-C", "--noclear", help="don't clear the screen")
maxrows = Const(
    20, "-r", "--maxrows", "--top", help="maximum rows to print, default 20", convert=positive
)
only_dev = Const(0, "-d", "--disk", help="trace this disk only", convert=whole_disk)


@record
class Whose:
    """Who did which kind of I/O to which disk."""

    pid: u32
    dev: u32
    operation: u32
    comm: Char = chars(16)


@record
class Totals:
    """What they did."""

    count: u64
    size: u64
    spent_ns: u64


asked = Hash[u64, Asked](max_entries=10_240)
totals = Hash[Whose, Totals](max_entries=10_240)
#: Has the map of the interval: it is swapped for an empty one, so that nothing added is lost.
by_turn = ArrayOfMaps(totals, (totals,))


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
    """Add a request to what its process did."""
    if nr_bytes < bytes_left(rq):
        return  # the rest is still to come
    about = asked.pop(key_of(rq))
    if about is None or not about.issued_ns:
        return
    whose = Whose(
        pid=about.pid, dev=disk_dev(rq), operation=operation(about.flags), comm=about.comm
    )
    turn = by_turn.get(0)
    if turn is None:
        return
    entry = turn.setdefault(whose, Totals(count=0, size=0, spent_ns=0))
    entry.count += 1
    entry.size += about.size
    entry.spent_ns += ktime_get_ns() - about.issued_ns


def report(session: Session) -> list[dict[str, Any]]:
    """Take one interval: a row for each process, disk and kind, the most bytes first."""
    with session[by_turn].swap(0) as past:
        keys, values = past.snapshot()
    order = values["size"].argsort(kind="stable")[::-1]
    pairs = zip(rows(Whose, keys[order]), rows(Totals, values[order]), strict=True)
    return [row(whose, did) for whose, did in pairs]


def row(whose: Any, did: Any) -> dict[str, Any]:
    """Say what one process did."""
    return {
        "pid": whose.pid,
        "comm": whose.comm or "?",
        "type": letter(whose.operation),
        "major": whose.dev >> 20,
        "minor": whose.dev & 0xFFFFF,
        "disk": name_of_dev(whose.dev),
        "io": did.count,
        "kbytes": did.size / 1024,
        "avg_ms": did.spent_ns / did.count / 1e6,
    }


tool = Tool(
    __name__,
    probes=[on_begin, on_issue, on_complete],
    report=report,
    layout=Screen(
        [
            Column("PID", 7),
            Column("COMM", 16),
            Column("D", 1, field="type"),
            Column("MAJ", 3, field="major"),
            Column("MIN", 3, field="minor"),
            Column("DISK", 8),
            Column("I/O", 5, ">", field="io"),
            Column("Kbytes", 7, ">", ".0f", field="kbytes"),
            Column("AVGms", 6, ">", ".2f", field="avg_ms"),
        ],
        keep=noclear,
    ),
    header="Tracing block device I/O... Hit Ctrl-C to end.",
    interval_s=1,
    early=True,
    filters=FILTERS,
    top=maxrows,
    examples="""
        biotop                        # block device I/O top, 1 second refresh
        biotop -C                     # don't clear the screen
        biotop -p 181                 # only trace PID 181
        biotop -d sdc                 # trace sdc only
        biotop 5                      # 5 second summaries
        biotop 5 10                   # 5 second summaries, 10 times only
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
