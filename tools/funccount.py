"""Count calls of functions, tracepoints and USDT probes whose names match a pattern.

  name, p::name              functions of the kernel
  lib:name, p:lib:name       functions of a library or program
  t:category:event           tracepoints of the kernel
  u:lib:probe                USDT probes of a library or program

A name may have wildcards, tcp_*, or be a regular expression between slashes, /^tcp_(send|recv)/;
with -r it is one without them. It matches at the begin of a name.

Output:   for each interval a row for each function that was called, the most frequent last.
Cost:     one hash update for each call. To attach to many functions takes long on kernels that do
          not do this at once (Linux 5.18 with CONFIG_FPROBE for their own, 6.6 for programs');
          tracepoints and USDT probes are a program each, 1000 at most, and to detach takes some
          milliseconds for each.
Needs:    Linux 4.17.
Source:   behaviour after BCC's funccount (Brendan Gregg, 2015); written from scratch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyebpf import Alternatives, Const, Count, KprobeContext, Probe, Session, u64
from pyebpf.cli import Column, Table, Tool
from pyebpf.cli.places import (
    Hooked,
    header,
    is_call_wanted,
    only_cpu,
    pattern,
    regexp,
    tell_names,
    wanted,
)
from pyebpf.lib.filters import FILTERS

__all__ = ["only_cpu", "pattern", "regexp", "tool"]  # options of the tool

debug = Const(False, "-D", "--debug", help="print what matches before tracing begins")

calls = Count[u64](max_keys=65_536)


def counting(hooked: Hooked) -> tuple[Probe, ...]:
    """Make the probe of functions that one program counts."""
    which = hooked.number
    if which is None:

        def by_address(ctx: KprobeContext) -> None:
            if is_call_wanted():
                calls.add(ctx.ip)

        return (hooked.begin(by_address),)

    def by_number() -> None:
        if is_call_wanted():
            calls.add(which())

    return (hooked.begin(by_number),)


def probes(options: Any) -> Iterable[Probe | Alternatives]:
    """Make the probes of all that matches."""
    if options.option(debug):
        tell_names(options)
    return wanted(options).probes(counting)


def report(session: Session) -> list[dict[str, Any]]:
    """Take one interval: a row for each function, the most frequent last."""
    taken: Any = session[calls].take()
    counts = {which: seen.count for which, seen in taken.items() if seen.count}
    names = wanted(session).named(counts)
    rows = [{"func": names[which], "count": count} for which, count in counts.items()]
    return sorted(rows, key=lambda row: (row["count"], row["func"]))


def show(_: Session, rows: list[dict[str, Any]]) -> str:
    """Make the table of one interval."""
    table = Table(Column("FUNC", 36), Column("COUNT", 8, ">"))
    return "\n".join([table.header(), *(table.record(row) for row in rows)])


tool = Tool(
    __name__,
    probes=probes,
    report=report,
    show=show,
    header=header,
    letters=["-i", "-d"],
    filters=FILTERS,
    most="last",
    examples="""
        funccount 'vfs_*'                     # count kernel functions that begin with vfs_
        funccount -r '^vfs_(read|write)$'     # the same by a regular expression
        funccount -Ti 5 'vfs_*'               # every 5 seconds, with the time
        funccount -d 10 'vfs_*'               # for 10 seconds only
        funccount -p 185 'vfs_*'              # in process 185 only
        funccount -c 1 'vfs_*'                # on CPU 1 only
        funccount -u 1000 'vfs_*'             # by programs of user 1000
        funccount --top 10 'tcp_*'            # the ten most frequent
        funccount 't:sched:sched_fork'        # a tracepoint
        funccount 't:block:*'                 # all tracepoints of the block layer
        funccount -p 185 u:node:gc*           # all USDT probes gc… of node
        funccount c:malloc                    # malloc() of the C library
        funccount go:os.*                     # functions of a program
        funccount --exec ls c:malloc          # of one command
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
