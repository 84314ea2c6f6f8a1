"""Summarise block device I/O latency as a log2 histogram.

Time runs from the moment a request is issued to its device to the moment it is complete; with -Q it
begins when the request enters the queue of the I/O scheduler. Every request that reaches a device
is counted, flushes and commands of drivers too. A request that was under way when tracing began is
not; one that comes back in parts is complete with its last part. I/O belongs to whoever asked for
it, with -p and the like.

Output:   one histogram per interval, in microseconds or with -m in milliseconds; with -D or -F one
          for each disk or each set of flags.
Cost:     two tracepoints, and one hash insert and delete per I/O; with -p and the like a third, and
          three more of these.
Needs:    Linux 5.5, with BTF.
Source:   behaviour after BCC's biolatency (Brendan Gregg, 2015); written from scratch.
"""

from __future__ import annotations

from typing import Any

from pyebpf import Const, Hash, Log2Hist, Ptr, Session, i32, ktime_get_ns, u32, u64
from pyebpf.cli import Tool, averaged
from pyebpf.host.disks import name_of_dev, whole_disk
from pyebpf.kernel import request
from pyebpf.lib import block
from pyebpf.lib.block import (
    Asked,
    bytes_left,
    disk_dev,
    flag_words,
    forget,
    is_noted,
    note_begun,
    regrouped,
)
from pyebpf.lib.filters import FILTERS, are_given, is_filtering

queued = Const(False, "-Q", "--queued", help="include OS queued time in I/O time")
milliseconds = Const(False, "-m", "--milliseconds", help="millisecond histogram")
by_disk = Const(False, "-D", "--disks", help="print a histogram per disk device")
by_flags = Const(False, "-F", "--flags", help="print a histogram per set of I/O flags")
extended = Const(False, "-e", "--extension", help="summarize average/total value")
only_dev = Const(0, "-d", "--disk", help="trace this disk only", convert=whole_disk)

started = Hash[Ptr[request], u64](max_entries=10_240)
asked = Hash[u64, Asked](max_entries=10_240)
us, ms = Log2Hist(unit="us", totals=extended), Log2Hist(unit="ms", totals=extended)
us_by = Log2Hist(unit="us", totals=extended, key=u64)
ms_by = Log2Hist(unit="ms", totals=extended, key=u64)


@block.begun(when=are_given)
def on_begin(what: u64, dev: u32) -> None:
    """Note who asks, if only some are of interest: it may be another that issues the request."""
    if not only_dev or dev == only_dev:
        note_begun(asked, what)


@block.inserted(when=queued)
def on_insert(rq: Ptr[request]) -> None:
    """Remember when a request was queued."""
    if not only_dev or disk_dev(rq) == only_dev:
        begin(rq)


@block.issued()
def on_issue(rq: Ptr[request]) -> None:
    """Remember when a request was issued, unless the time that it was queued counts."""
    if only_dev and disk_dev(rq) != only_dev:
        return
    if queued:
        # A request merged into another never completes: what it left behind is older than the
        # request that now has its place in memory.
        since = started.get(rq)
        if since is not None and since >= rq.start_time_ns:
            return
    begin(rq)


def begin(rq: Ptr[request]) -> None:
    """Remember that the time of a request begins, or that it is of no interest."""
    if is_filtering() and not is_noted(asked, rq):
        del started[rq]
        return
    started[rq] = ktime_get_ns()


@block.completed()
def on_complete(rq: Ptr[request], error: i32, nr_bytes: u32) -> None:
    """Count the elapsed time of a request whose start was seen."""
    if nr_bytes < bytes_left(rq):
        return  # the rest is still to come
    if is_filtering():
        forget(asked, rq)
    since = started.pop(rq)
    if since is None:
        return
    elapsed_ns = ktime_get_ns() - since
    if milliseconds:
        count(ms, ms_by, rq, elapsed_ns // 1_000_000)
    else:
        count(us, us_by, rq, elapsed_ns // 1_000)


def count(plain: Log2Hist, keyed: Log2Hist, rq: Ptr[request], elapsed: u64) -> None:
    """Add to the histogram that the options ask for."""
    if by_disk:
        keyed[disk_dev(rq)].add(elapsed)
    elif by_flags:
        keyed[rq.cmd_flags].add(elapsed)
    else:
        plain.add(elapsed)


def report(session: Session) -> Any:
    """Take one interval: a ``Hist``, or a ``KeyedHist`` by disk or by flags."""
    plain, keyed = (ms, ms_by) if session.option(milliseconds) else (us, us_by)
    if session.option(by_disk):
        return regrouped(session[keyed].take(), "disk", name_of_dev)
    if session.option(by_flags):
        return regrouped(session[keyed].take(), "flags", flag_words)
    return session[plain].take()


def show(session: Session, result: Any) -> str:
    """Draw it, and with -e say the average."""
    return averaged(result) if session.option(extended) else str(result)


tool = Tool(
    __name__,
    probes=[on_begin, on_insert, on_issue, on_complete],
    report=report,
    show=show,
    header="Tracing block device I/O... Hit Ctrl-C to end.",
    exclusive=[(by_disk, by_flags)],
    early=True,
    filters=FILTERS,
    examples="""
        biolatency                    # summarize block I/O latency as a histogram
        biolatency 1 10               # print 1 second summaries, 10 times
        biolatency -mT 1              # 1s summaries, milliseconds, and timestamps
        biolatency -Q                 # include OS queued time in I/O time
        biolatency -D                 # show each disk device separately
        biolatency -F                 # show I/O flags separately
        biolatency -j                 # print JSON
        biolatency -e                 # show average and total as well
        biolatency -d sdc             # trace sdc only
        biolatency -p 181             # what process 181 asked for
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
