"""Summarise how long, or how often, CPUs handle hardware interrupts, by handler.

What a handler says was not for it is not counted: several may share an interrupt.

Output:   the handlers with the time that each took together, in microseconds, the longest first;
          with -C how often it was called, with -d a histogram for each.
Cost:     two probes for each interrupt.
Needs:    Linux 5.5, with BTF.
Source:   behaviour after BCC's hardirqs (Brendan Gregg, 2015); written from scratch.
"""

from __future__ import annotations

from typing import Any

from pyebpf import Const, Ptr, Session, i32, tp_btf
from pyebpf.cli import Column, Tool, drawn
from pyebpf.kernel import irqaction
from pyebpf.lib.interrupts import (
    Handler,
    begins,
    counts,
    distribution,
    ends,
    is_wanted,
    label,
    nanoseconds,
    only_cpu,
    taken,
)

__all__ = ["nanoseconds", "only_cpu", "tool"]  # options of the tool

counted = Const(False, "-C", "--count", help="show event counts instead of timing")


@tp_btf("irq_handler_entry")
def on_entry() -> None:
    """Begin to handle an interrupt."""
    if not counted:
        begins()


@tp_btf("irq_handler_exit")
def on_exit(_: i32, action: Ptr[irqaction], ret: i32) -> None:
    """Count an interrupt that was handled."""
    if not ret:
        return  # IRQ_NONE: it was not for this handler
    handler = Handler(vector=0, name=action.name)
    if not counted:
        ends(handler)
    elif is_wanted():
        counts.add(handler)


def report(session: Session) -> Any:
    """Take one interval: rows, or a ``KeyedHist`` by handler."""
    return taken(session, "hardirq", lambda key: key.name, counted=session.option(counted))


def show(session: Session, result: Any) -> str:
    """Make the table of one interval, or draw it."""
    unit = label(session, counted=session.option(counted))
    return drawn(result, Column("HARDIRQ", 26), Column(f"TOTAL_{unit}", 11, ">", field=unit))


def header(session: Session) -> str:
    """Return what is printed when tracing begins."""
    what = "events" if session.option(counted) else "event time"
    return f"Tracing hard irq {what}... Hit Ctrl-C to end."


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
        hardirqs              # sum hard irq event time
        hardirqs -d           # show hard irq event time as histograms
        hardirqs -C           # count hard irq events
        hardirqs 1 10         # print 1 second summaries, 10 times
        hardirqs -NT 1        # 1s summaries, nanoseconds, and timestamps
        hardirqs -c 1         # on CPU 1 only
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
