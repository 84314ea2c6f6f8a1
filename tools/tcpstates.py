"""Trace changes of state of TCP connections, and how long each was in its state before.

A line is printed for each change, also of sockets that listen. MS is the time in OLDSTATE; 0 where
nobody saw it begin.

Output:   SKADDR is the socket: lines of one connection have the same. C-PID and C-COMM are the
          process that has it: the last that called connect, listen, accept, close or shutdown;
          0 and "?" while none has, as before a connection is accepted. It is not whoever was
          running when a packet came. -p, -u and their like ask for this process as it was at
          that call, so with them changes are not shown while there is none. IP is the protocol of
          the packets: IPv4 by a socket that speaks both is 4. A port or address is 0 while there
          is none; -L does not show the step of a client before it has its port.
Cost:     two probes; a hash look-up and insert, and a record, for each change.
Needs:    Linux 5.8, with BTF.
Source:   behaviour after BCC's tcpstates (Brendan Gregg, 2018); written from scratch.
"""

from __future__ import annotations

from typing import Any

from pyebpf import Const, Events, Hash, Ptr, cast, i32, ktime_get_ns, record, u32, u64
from pyebpf.cli import Column, Lines, Tool, widened
from pyebpf.cli import tcp as columns
from pyebpf.cli.tcp import time_of_day, timestamp, wide
from pyebpf.kernel import sock
from pyebpf.lib import net
from pyebpf.lib.filters import FILTERS
from pyebpf.lib.tcp import (
    CLOSE,
    STATES,
    Ends,
    Owner,
    current,
    ends_of,
    is_chosen,
    is_own,
    is_tcp,
    local_ports,
    nobody,
    only_v4,
    only_v6,
    remote_ports,
)

__all__ = [
    "local_ports", "only_v4", "only_v6", "remote_ports", "time_of_day", "timestamp", "tool", "wide",
]  # fmt: skip # options of the tool too

journal = Const(False, "-Y", "--journal", help="also write to the journal of systemd")


@record
class State:
    """What is known of a connection in its state."""

    since_ns: u64
    owner: Owner


@record
class Change:
    """A connection goes into another state."""

    ts_ns: u64
    took_ns: u64
    address: u64
    ends: Ends
    owner: Owner
    old: u32
    new: u32


states = Hash[u64, State](max_entries=65_536)
changes = Events[Change](pages=256)


@net.accepted()
def on_accept(sk: Ptr[sock]) -> None:
    """Note whose a connection is now."""
    state = states.get(cast(u64, sk))
    if state is not None:
        state.owner = current()


@net.state_changed()
def on_change(sk: Ptr[sock], old: i32, new: i32) -> None:
    """Send a change, and note when it was."""
    if old == new or not is_tcp(sk):
        return
    ends, now, key = ends_of(sk), ktime_get_ns(), cast(u64, sk)
    state = states.setdefault(key, State(since_ns=now, owner=nobody()))
    if is_own(old, new):
        state.owner = current()
    if state.owner.asked_for and is_chosen(ends):
        with changes.reserve() as e:
            e.ts_ns, e.took_ns, e.address, e.ends = now, now - state.since_ns, key, ends
            e.owner, e.old, e.new = state.owner, old, new
    state.since_ns = now
    if new == CLOSE:
        del states[key]


class Arrow(Column):
    """A column behind an arrow, which is in tables only."""

    def cell(self, value: Any) -> str:
        """Return the arrow and the value."""
        return self.placed(f"-> {value}")


def name_of(number: int) -> str:
    """Return the name of a state, or its number."""
    return STATES[number] if number < len(STATES) else str(number)


tool: Tool[None] = Tool(
    __name__,
    probes=[on_change, on_accept],
    lines=Lines(
        changes,
        columns.clock(),
        columns.elapsed(6),
        Column("SKADDR", 16, value=lambda _, row: f"{row.address:x}"),
        columns.pid("C-PID"),
        *widened(columns.command("C-COMM", 10), 16, wide),
        *columns.ends_widened(),
        Column("OLDSTATE", 11, value=lambda _, row: name_of(row.old)),
        Arrow("-> NEWSTATE", 14, field="newstate", value=lambda _, row: name_of(row.new)),
        Column("MS", 0, format=".3f", field="ms", value=lambda _, row: row.took_ns / 1e6),
        journal=journal,
    ),
    exclusive=[(only_v4, only_v6)],
    letters=("-s",),
    early=True,
    filters=FILTERS,
    examples="""
        tcpstates             # trace all changes of state
        tcpstates -t          # include the time since tracing began
        tcpstates -T          # include the time of day
        tcpstates -w          # wide columns, which IPv6 addresses fit into
        tcpstates -stT        # print comma-separated values, with both times
        tcpstates -Y          # write to the journal of systemd as well
        tcpstates -p 181      # only connections of process 181
        tcpstates -L 80       # only trace local port 80
        tcpstates -L 80,81    # only trace local ports 80 and 81
        tcpstates -D 80       # only trace remote port 80
        tcpstates -4          # only trace IPv4
        tcpstates -j          # print JSON, one object per line
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
