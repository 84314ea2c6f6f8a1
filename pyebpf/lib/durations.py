"""Histograms of times of tasks: of all, or for each process or thread. With the options to choose.

A tool that imports ``milliseconds``, ``by_pid``, ``by_tid`` and ``extended`` has them as options,
calls :func:`add` in its probes, and :func:`taken` in its report.
"""

from __future__ import annotations

from typing import Any

from pyebpf.dsl.aggregates import Log2Hist
from pyebpf.dsl.constants import Const
from pyebpf.dsl.records import chars, record
from pyebpf.dsl.scalars import Char, Ptr, Text, u32, u64
from pyebpf.kernel import task_struct
from pyebpf.lib.block import regrouped

milliseconds = Const(False, "-m", "--milliseconds", help="millisecond histogram")
by_pid = Const(False, "-P", "--pids", help="print a histogram per process")
by_tid = Const(False, "-L", "--tids", help="print a histogram per thread")
extended = Const(False, "-e", "--extension", help="summarize average/total value")

_NO_NAME = Text("")


@record
class Who:
    """What a histogram is of: a number, and the name if it is a process or a thread."""

    number: u32
    comm: Char = chars(16)


us, ms = Log2Hist(unit="us", totals=extended), Log2Hist(unit="ms", totals=extended)
us_by = Log2Hist(unit="us", totals=extended, key=Who, max_keys=10_240)
ms_by = Log2Hist(unit="ms", totals=extended, key=Who, max_keys=10_240)


def add(task: Ptr[task_struct], ns: u64) -> None:
    """Count a time of a task where the options want it."""
    if by_tid:
        _add(Who(number=task.pid, comm=task.comm), ns)
    elif by_pid:
        _add(Who(number=task.tgid, comm=task.group_leader.comm), ns)
    elif milliseconds:
        ms.add(ns // 1_000_000)
    else:
        us.add(ns // 1_000)


def add_for(number: u32, ns: u64) -> None:
    """Count a time for one of several things that have numbers and no names."""
    _add(Who(number=number, comm=_NO_NAME), ns)


def _add(who: Who, ns: u64) -> None:
    if milliseconds:
        ms_by[who].add(ns // 1_000_000)
    else:
        us_by[who].add(ns // 1_000)


def taken(session: Any, keyed: str = "") -> Any:
    """Return the times of one interval: a ``Hist``, or a ``KeyedHist`` by processes or threads.

    Args:
        session: the tool's.
        keyed: what else the times are for, if not for processes and threads.
    """
    section = "tid" if session.option(by_tid) else "pid" if session.option(by_pid) else keyed
    plain, by_key = (ms, ms_by) if session.option(milliseconds) else (us, us_by)
    if not section:
        return session[plain].take()
    return regrouped(
        session[by_key].take(), section, lambda who: f"{who.number} {who.comm}".rstrip()
    )
