"""Tell how much of the I/O to each disk is random, and how much sequential.

A request is sequential if it begins where the one that was complete before it on its disk ended.
The first one of a disk only says where that is, and is not counted. One that comes back in parts
counts with each. What moves no data, such as a flush, has no place and is left out.

Output:   a row for each disk that did something in the interval.
Cost:     one tracepoint, and three hash look-ups per I/O.
Needs:    Linux 5.5, with BTF.
Source:   behaviour after BCC's biopattern (Rocky Xing, 2022); written from scratch.
"""

from __future__ import annotations

from typing import Any

from pyebpf import Average, Const, Hash, Ptr, Session, i32, u32, u64
from pyebpf.cli import Column, Rolling, Tool
from pyebpf.host.disks import name_of_dev, whole_disk
from pyebpf.kernel import request
from pyebpf.lib import block
from pyebpf.lib.block import FIRST, RANDOM, SEQUENTIAL, disk_dev, first_sector, lies

only_dev = Const(0, "-d", "--disk", help="trace this disk only", convert=whole_disk)

ends = Hash[u32, u64](max_entries=4096)
moved = Average[tuple[u32, u32]](unit="bytes")


@block.completed()
def on_complete(rq: Ptr[request], error: i32, nr_bytes: u32) -> None:
    """Count how a request lies to the one before."""
    dev = disk_dev(rq)
    if not nr_bytes or (only_dev and dev != only_dev):
        return
    place = lies(ends, dev, first_sector(rq), nr_bytes)
    if place != FIRST:
        moved.add((dev, place), nr_bytes)


def report(session: Session) -> list[dict[str, Any]]:
    """Take one interval: a row for each disk, the one that moved most last."""
    taken: Any = session[moved].take()
    rows = [row(dev, taken) for dev in {dev for dev, _ in taken}]
    return sorted(rows, key=lambda found: found["kbytes"])


def row(dev: int, taken: Any) -> dict[str, Any]:
    """Say what is known of one disk."""
    by_place = [taken[dev, place] for place in (RANDOM, SEQUENTIAL) if (dev, place) in taken]
    count = sum(summary.count for summary in by_place)
    random = taken[dev, RANDOM].count if (dev, RANDOM) in taken else 0
    return {
        "disk": name_of_dev(dev),
        "random_percent": random * 100 // count,
        "sequential_percent": (count - random) * 100 // count,
        "count": count,
        "kbytes": sum(summary.sum for summary in by_place) >> 10,
    }


tool = Tool(
    __name__,
    probes=[on_complete],
    report=report,
    layout=Rolling(
        [
            Column("TIME", 9),
            Column("DISK", 7),
            Column("%RND", 5, ">", field="random_percent"),
            Column("%SEQ", 5, ">", field="sequential_percent"),
            Column("COUNT", 8, ">"),
            Column("KBYTES", 10, ">"),
        ]
    ),
    header="Tracing block device I/O... Hit Ctrl-C to end.",
    early=True,
    filters="it looks at requests when they are complete, and nobody knows then who asked",
    most="last",
    examples="""
        biopattern                    # show block device I/O pattern, at Ctrl-C
        biopattern 1 10               # print 1 second summaries, 10 times
        biopattern -d sdb             # show sdb only
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
