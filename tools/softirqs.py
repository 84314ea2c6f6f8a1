"""Summarise how long, or how often, CPUs handle software interrupts, by kind.

Output:   the kinds with the time that each took together, in microseconds, the longest first; with
          -C how often it was handled, with -d a histogram for each.
Cost:     two probes for each software interrupt.
Needs:    Linux 5.5, with BTF.
Source:   behaviour after BCC's softirqs (Brendan Gregg, Sasha Goldshtein, 2015); written from
          scratch.
"""

from __future__ import annotations

from typing import Any

from pyebpf import Const, Session, tp_btf, u32
from pyebpf.cli import Column, Tool, drawn
from pyebpf.lib.interrupts import (
    begins,
    counts,
    distribution,
    ends,
    is_wanted,
    label,
    nanoseconds,
    of_vector,
    only_cpu,
    taken,
)

__all__ = ["nanoseconds", "only_cpu", "tool"]  # options of the tool

counted = Const(False, "-C", "--events", help="show the number of events instead of timing")

#: As ``/proc/softirqs`` has them, in the order of include/linux/interrupt.h.
KINDS = (
    "hi", "timer", "net_tx", "net_rx", "block", "irq_poll", "tasklet", "sched", "hrtimer", "rcu",
)  # fmt: skip


@tp_btf("softirq_entry")
def on_entry(vector: u32) -> None:
    """Begin to handle an interrupt, or count it."""
    if not counted:
        begins()
    elif is_wanted():
        counts.add(of_vector(vector))


@tp_btf("softirq_exit")
def on_exit(vector: u32) -> None:
    """Count the time that it took."""
    if not counted:
        ends(of_vector(vector))


def kind(key: Any) -> str:
    """Return what a vector is called."""
    return KINDS[key.vector] if key.vector < len(KINDS) else str(key.vector)


def report(session: Session) -> Any:
    """Take one interval: rows, or a ``KeyedHist`` by kind."""
    return taken(session, "softirq", kind, counted=session.option(counted))


def show(session: Session, result: Any) -> str:
    """Make the table of one interval, or draw it."""
    unit = label(session, counted=session.option(counted))
    return drawn(result, Column("SOFTIRQ", 16), Column(f"TOTAL_{unit}", 11, ">", field=unit))


def header(session: Session) -> str:
    """Return what is printed when tracing begins."""
    what = "events" if session.option(counted) else "event time"
    return f"Tracing soft irq {what}... Hit Ctrl-C to end."


tool = Tool(
    __name__,
    probes=[on_entry, on_exit],
    report=report,
    show=show,
    header=header,
    exclusive=[(counted, distribution), (counted, nanoseconds)],
    early=True,
    filters="interrupts belong to no task",
    examples="""
        softirqs              # sum soft irq event time
        softirqs -C           # show the number of soft irq events
        softirqs -d           # show soft irq event time as histograms
        softirqs 1 10         # print 1 second summaries, 10 times
        softirqs -NT 1        # 1s summaries, nanoseconds, and timestamps
        softirqs -c 1         # on CPU 1 only
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
