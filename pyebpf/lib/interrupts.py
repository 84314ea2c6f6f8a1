"""Interrupts that a CPU has handled: how many, or how long it took, by what handled them.

A tool that imports the options has them, calls :func:`begins` and :func:`ends` in its probes, and
:func:`taken` in its report.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyebpf.dsl.aggregates import Count, Log2Hist, Sum
from pyebpf.dsl.builtins import cpu, ktime_get_ns
from pyebpf.dsl.constants import Const
from pyebpf.dsl.maps import PerCpuArray
from pyebpf.dsl.records import chars, record
from pyebpf.dsl.scalars import Char, Text, u32, u64
from pyebpf.lib.block import regrouped

nanoseconds = Const(False, "-N", "--nanoseconds", help="output in nanoseconds")
distribution = Const(False, "-d", "--dist", help="show distributions as histograms")
only_cpu = Const(-1, "-c", "--cpu", help="trace this CPU only")


@record
class Handler:
    """What handled an interrupt: a name, or the number of a vector."""

    vector: u32
    name: Char = chars(32)


# A CPU handles one of a kind after the other: none of them interrupts another.
began = PerCpuArray[u64](max_entries=1)
counts = Count[Handler](max_keys=1_024)
times = Sum[Handler](unit="ns", max_keys=1_024)
us, ns = Log2Hist(unit="us", key=Handler), Log2Hist(unit="ns", key=Handler)
_NO_NAME = Text("")


def is_wanted() -> bool:
    """Tell whether this CPU is asked for."""
    return only_cpu < 0 or cpu() == only_cpu


def of_vector(vector: u32) -> Handler:
    """Return what handles the interrupts of a vector."""
    return Handler(vector=vector, name=_NO_NAME)


def begins() -> None:
    """Remember when the handler of an interrupt begins."""
    if is_wanted():
        began[0] = ktime_get_ns()


def ends(handler: Handler) -> None:
    """Count the time that a handler took."""
    since = began[0]
    if not since:
        return  # it began before tracing did
    began[0] = 0
    took = ktime_get_ns() - since
    if not distribution:
        times.add(handler, took)
    elif nanoseconds:
        ns[handler].add(took)
    else:
        us[handler].add(took // 1_000)


def taken(session: Any, title: str, words: Callable[[Any], str], *, counted: bool) -> Any:
    """Return one interval: a ``KeyedHist``, or the rows of a table, the greatest first.

    Args:
        session: the tool's.
        title: what handlers are called: ``"hardirq"``.
        words: makes a name of a handler.
        counted: interrupts are counted, not timed.
    """
    if not counted and session.option(distribution):
        hist = ns if session.option(nanoseconds) else us
        return regrouped(session[hist].take(), title, words)
    table = session[counts if counted else times].take()
    per = 1 if counted or session.option(nanoseconds) else 1_000
    field = "count" if counted else "sum"
    rows = (
        {title: words(handler), label(session, counted=counted): getattr(seen, field) // per}
        for handler, seen in table.top(len(table), by=field).items()
        if getattr(seen, field)  # it is 0 of what was seen in an earlier interval only
    )
    return list(rows)


def label(session: Any, *, counted: bool) -> str:
    """Return what the numbers of a table are."""
    if counted:
        return "count"
    return "nsecs" if session.option(nanoseconds) else "usecs"
