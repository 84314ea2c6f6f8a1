"""Summarise block device I/O latency as histograms, one for each process and call stack that asked.

Time runs from the moment that I/O becomes a request, with the time that it waits in the queue, to
the moment that it is complete. More may be merged into a request later: it belongs to who began it,
with -p and the like too.

Output:   a histogram for each process, disk and stack of the kernel, in microseconds or with -m in
          milliseconds: name, number, disk; functions, the innermost first; the histogram. The most
          I/O comes last.
Cost:     three probes; a stack, three hash inserts and deletes for each I/O.
Needs:    Linux 5.5, with BTF.
Source:   behaviour after libbpf-tools' biostacks (Wenbo Zhang, 2020); written from scratch.
"""

from __future__ import annotations

from typing import Any

from pyebpf import (
    Char,
    Const,
    Hash,
    Log2Hist,
    Ptr,
    Session,
    chars,
    comm,
    i32,
    i64,
    ktime_get_ns,
    record,
    tgid,
    u32,
    u64,
)
from pyebpf.cli import Tool, printable
from pyebpf.host.disks import name_of_dev, whole_disk
from pyebpf.kernel import request
from pyebpf.lib import block
from pyebpf.lib.block import bytes_left, disk_dev, first_bio, key_of
from pyebpf.lib.filters import FILTERS, is_wanted
from pyebpf.lib.stacks import described, stacks, storage

__all__ = ["storage", "tool"]  # options of the tool

only_dev = Const(0, "-d", "--disk", help="trace this disk only", convert=whole_disk)
milliseconds = Const(False, "-m", "--milliseconds", help="millisecond histograms")
verbose = Const(False, "-v", "--verbose", help="show raw addresses")


@record
class Origin:
    """Who asks for I/O to which disk, and where."""

    pid: u32
    dev: u32
    comm: Char = chars(16)
    kernel: i64


@record
class Begun:
    """A request on its way."""

    since_ns: u64
    origin: Origin


begun = Hash[u64, Begun](max_entries=10_240)
us, ms = Log2Hist(unit="us", key=Origin), Log2Hist(unit="ms", key=Origin)


@block.begun()
def on_begin(what: u64, dev: u32) -> None:
    """Note who asks, and where."""
    if only_dev and dev != only_dev:
        return
    if not is_wanted():
        del begun[what]  # what was noted of another request, which was in this place before
        return
    origin = Origin(pid=tgid(), dev=dev, comm=comm(), kernel=stacks.kernel())
    begun[what] = Begun(since_ns=ktime_get_ns(), origin=origin)


@block.issued()
def on_issue(rq: Ptr[request]) -> None:
    """Know a request by itself from now on: what it is made of may change."""
    if not only_dev or disk_dev(rq) == only_dev:
        found = begun.pop(first_bio(rq))
        if found is not None:
            begun[key_of(rq)] = found


@block.completed()
def on_complete(rq: Ptr[request], error: i32, nr_bytes: u32) -> None:
    """Count the time of a request whose beginning was seen."""
    if nr_bytes < bytes_left(rq):
        return  # the rest is still to come
    found = begun.pop(key_of(rq))
    if found is None:
        return
    elapsed_ns = ktime_get_ns() - found.since_ns
    if milliseconds:
        ms[found.origin].add(elapsed_ns // 1_000_000)
    else:
        us[found.origin].add(elapsed_ns // 1_000)


class Requests:
    """The I/O of one origin: who it was, and how long it took.

    Attributes:
        origin: who, and where.
        stack: the functions of the kernel, the innermost first.
        hist: the times.
    """

    def __init__(self, origin: Any, stack: list[str], hist: Any) -> None:
        self.origin, self.stack, self.hist = origin, stack, hist

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON is made of."""
        return {**self._head, **self.hist.to_dict()}

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the slots of the histogram, each with who it was."""
        return [{**self._head, **slot} for slot in self.hist.to_rows()]

    @property
    def _head(self) -> dict[str, Any]:
        pid, disk = self.origin.pid, name_of_dev(self.origin.dev)
        return {"comm": self.origin.comm, "pid": pid, "disk": disk, "stack": self.stack}

    def __str__(self) -> str:
        disk = name_of_dev(self.origin.dev)
        head = f"{printable(self.origin.comm):<14} {self.origin.pid:<6} {disk}"
        return "\n".join([head, *map(printable, self.stack), str(self.hist)])


def report(session: Session) -> list[Requests]:
    """Take one interval: the requests of each origin, the fewest first."""
    found: Any = session[ms if session.option(milliseconds) else us].take()
    ordered = sorted(found.items(), key=lambda item: item[1].count)
    addresses = session.option(verbose)
    return [
        Requests(origin, described(session, origin.kernel, addresses=addresses), hist)
        for origin, hist in ordered
    ]


def show(_: Session, found: list[Requests]) -> str:
    """Return all of them as text."""
    return "\n\n".join(map(str, found))


tool = Tool(
    __name__,
    probes=[on_begin, on_issue, on_complete],
    report=report,
    show=show,
    header="Tracing block I/O with init stacks. Hit Ctrl-C to end.",
    single=True,
    early=True,
    filters=FILTERS,
    most="last",
    examples="""
        biostacks              # trace block I/O by stacks until Ctrl-C
        biostacks 1            # trace for 1 second only
        biostacks -d sdc       # trace sdc only
        biostacks -m           # in milliseconds
        biostacks -p 181       # what process 181 asked for
        biostacks --top 5      # the five places that ask for most
        biostacks -j           # print JSON, an object for each stack
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
