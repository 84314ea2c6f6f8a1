"""Summarise the sizes of block device I/O by process, as log2 histograms.

A size is that of a request when it is issued to its device, after merging. The process is the one
that asked: a thread of the kernel for what is written back. Where nobody was seen to ask, as for
commands of drivers and flushes, it is the one that runs when the request is issued.

Output:   one histogram for each process name and interval, in KiB; 0 -> 1 holds what is smaller
          than 2 KiB, flushes too.
Cost:     two probes; one hash insert and delete per I/O, counted in memory.
Needs:    Linux 5.5, with BTF.
Source:   behaviour after BCC's bitesize (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from typing import Any

from pyebpf import Char, Const, Hash, Log2Hist, Ptr, Session, chars, comm, record, u32, u64
from pyebpf.cli import Tool
from pyebpf.host.disks import whole_disk
from pyebpf.kernel import request
from pyebpf.lib import block
from pyebpf.lib.block import Asked, bytes_left, disk_dev, note_begun, regrouped, who_asked
from pyebpf.lib.filters import FILTERS, is_filtering

only_dev = Const(0, "-d", "--disk", help="trace this disk only", convert=whole_disk)


@record
class Process:
    """A name that processes have."""

    comm: Char = chars(16)


asked = Hash[u64, Asked](max_entries=10_240)
sizes = Log2Hist(unit="Kbytes", key=Process)


@block.begun()
def on_begin(what: u64, dev: u32) -> None:
    """Note who asks: it may be another that issues the request."""
    if not only_dev or dev == only_dev:
        note_begun(asked, what)


@block.issued()
def on_issue(rq: Ptr[request]) -> None:
    """Count the size of a request."""
    if only_dev and disk_dev(rq) != only_dev:
        return
    about = who_asked(asked, rq)
    if is_filtering() and about is None:
        return
    name = about.comm if about is not None else comm()
    sizes[Process(comm=name)].add(bytes_left(rq) >> 10)


def report(session: Session) -> Any:
    """Take one interval: a ``KeyedHist`` by the names of processes."""
    return regrouped(session[sizes].take(), "Process Name", lambda key: key.comm)


tool = Tool(
    __name__,
    probes=[on_begin, on_issue],
    report=report,
    header="Tracing block I/O... Hit Ctrl-C to end.",
    early=True,
    filters=FILTERS,
    examples="""
        bitesize                      # sizes of I/O by process, until Ctrl-C
        bitesize 1 10                 # print 1 second summaries, 10 times
        bitesize -d sdc               # trace sdc only
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
