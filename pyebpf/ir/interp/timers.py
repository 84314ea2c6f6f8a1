"""Timers of map values: they wait until the test lets time go on."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.ir.interp.machine import Machine
    from pyebpf.ir.nodes import CallHelper

_ABSOLUTE = 1


@dataclass
class Pending:
    """A timer that was prepared: its map, its function, and when it is due if it was started."""

    map: int
    code: int = 0
    due_ns: int | None = None
    call: CallHelper | None = None


def _init(m: Machine, args: list[int], call: CallHelper) -> int:  # noqa: ARG001
    if args[0] in m.timers:
        return -errno.EBUSY
    m.timers[args[0]] = Pending(args[1])
    return 0


def _set_callback(m: Machine, args: list[int], call: CallHelper) -> int:
    if args[0] not in m.timers:
        return -errno.EINVAL
    m.timers[args[0]].code, m.timers[args[0]].call = args[1], call
    return 0


def _start(m: Machine, args: list[int], call: CallHelper) -> int:  # noqa: ARG001
    timer = m.timers.get(args[0])
    if timer is None or not timer.code:
        return -errno.EINVAL
    timer.due_ns = args[1] if args[2] & _ABSOLUTE else m.world.now_ns + args[1]
    return 0


def _cancel(m: Machine, args: list[int], call: CallHelper) -> int:  # noqa: ARG001
    timer = m.timers.get(args[0])
    if timer is None:
        return -errno.EINVAL
    was, timer.due_ns = timer.due_ns, None
    return int(was is not None)


def run_until(m: Machine, time_ns: int) -> int:
    """Let time go on, and call what is due on the way, in order; return how many calls."""
    count = 0
    while True:
        due = [(t.due_ns, at) for at, t in m.timers.items() if t.due_ns is not None]
        if not due or min(due)[0] > time_ns:
            break
        moment, address = min(due)
        m.world.now_ns = max(m.world.now_ns, moment)
        timer = m.timers[address]
        timer.due_ns = None
        _fire(m, timer, address)
        count += 1
    m.world.now_ns = max(m.world.now_ns, time_ns)
    return count


def _fire(m: Machine, timer: Pending, address: int) -> None:
    table, call = m.tables_by_handle[timer.map], timer.call
    assert call is not None
    for key in list(table.keys()):
        value = table.lookup(key, m.world.cpu)
        if value <= address < value + table.spec.value_size:
            region = m.memory.add(bytearray(key), "the key of a timer's entry", writable=False)
            m.function_at(timer.code, call).run((timer.map, region.base, value))
            m.memory.remove(region)
            return
    del m.timers[address]  # the entry is gone, and the timer with it


TIMERS: dict[str, Callable[[Machine, list[int], CallHelper], int]] = {
    "timer_init": _init,
    "timer_set_callback": _set_callback,
    "timer_start": _start,
    "timer_cancel": _cancel,
}
