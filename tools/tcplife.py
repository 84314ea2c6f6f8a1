"""Print a line for each TCP connection that ends: whose it was, what it carried, how long it lived.

Connections are shown that begin and end while tracing. PID and COMM are the process that has the
connection: the last that called connect, accept, close or shutdown for it; 0 and "?" if none did,
as of one that was reset before it was accepted. It is not whoever was running when a packet came.
-p, -u and their like ask for this process as it was at that call.

Output:   TX_KB and RX_KB are kilobytes of data that the other end has acknowledged and that were
          received, without what opens and closes a connection; as JSON and values they are exact.
          MS is the time from when it was established, or, if it never was, from the first
          attempt, to when the socket closed, which is when the other end has acknowledged that
          it is closed. With -S: segments sent, received, and sent once more.
          IP is the protocol of the packets: IPv4 by a socket that speaks both is 4.
Cost:     two probes; a hash look-up for each change of state, an insert and delete and a record for
          each connection. Nothing for each packet.
Needs:    Linux 5.8, with BTF.
Source:   behaviour after BCC's tcplife (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from pyebpf import Const, Events, Hash, Ptr, cast, i32, ktime_get_ns, record, u32, u64
from pyebpf.cli import Column, Lines, Tool, widened
from pyebpf.cli import tcp as columns
from pyebpf.cli.tcp import time_of_day, timestamp, wide
from pyebpf.kernel import sock, tcp_sock
from pyebpf.lib import net
from pyebpf.lib.filters import FILTERS
from pyebpf.lib.tcp import (
    CLOSE,
    ESTABLISHED,
    SYN_RECV,
    SYN_SENT,
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
_SOCK_DONE = 1 << 1  # enum sock_flags of include/net/sock.h: the other end has closed

segments = Const(False, "-S", "--segments", help="include numbers of segments")


@record
class Life:
    """A connection that has not ended."""

    since_ns: u64
    owner: Owner
    is_active: bool
    is_closing: bool


@record
class Ended:
    """A connection that has ended."""

    ts_ns: u64
    took_ns: u64
    sent: u64
    received: u64
    ends: Ends
    segments_out: u32
    segments_in: u32
    segments_again: u32
    owner: Owner


lives = Hash[u64, Life](max_entries=65_536)
ended = Events[Ended](pages=256)


@net.accepted()
def on_accept(sk: Ptr[sock]) -> None:
    """Note whose a connection is now."""
    life = lives.get(cast(u64, sk))
    if life is not None:
        life.owner = current()


@net.state_changed()
def on_change(sk: Ptr[sock], old: i32, new: i32) -> None:
    """Note how a connection goes on, and send what it was at its end."""
    if not is_tcp(sk):
        return
    key = cast(u64, sk)
    if new in (SYN_SENT, SYN_RECV, ESTABLISHED):
        begin(
            lives.setdefault(
                key, Life(since_ns=0, owner=nobody(), is_active=False, is_closing=False)
            ),
            new,
        )
        return
    life = lives.get(key)
    if life is None:
        return
    if is_own(old, new):
        life.owner, life.is_closing = current(), True
    elif new == CLOSE:
        if life.owner.asked_for:
            send(sk, life)
        del lives[key]


def begin(life: Life, state: i32) -> None:
    """Note that a connection has come closer to being one."""
    life.since_ns = ktime_get_ns()
    if state == SYN_SENT:
        life.is_active, life.owner = True, current()


def send(sk: Ptr[sock], life: Life) -> None:
    """Send a connection at its end."""
    ends = ends_of(sk)
    if not is_chosen(ends):
        return
    tp = cast(Ptr[tcp_sock], sk)
    with ended.reserve() as e:
        e.ts_ns = ktime_get_ns()
        e.took_ns = e.ts_ns - life.since_ns
        e.owner, e.ends = life.owner, ends
        e.sent, e.received = data_sent(tp, life), data_received(tp)
        e.segments_out, e.segments_in = tp.segs_out, tp.segs_in
        e.segments_again = tp.total_retrans


def data_sent(tp: Ptr[tcp_sock], life: Life) -> u64:
    """Return how much data the other end has acknowledged.

    What the kernel counts has a byte more for the SYN of who connects, and one for the FIN, if they
    were acknowledged.
    """
    count: u64 = tp.bytes_acked
    if life.is_active and count:
        count -= 1
    if life.is_closing and count and tp.snd_una == tp.write_seq:
        count -= 1
    return count


def data_received(tp: Ptr[tcp_sock]) -> u64:
    """Return how much data was received. The kernel counts a byte more for the FIN of the other."""
    count: u64 = tp.bytes_received
    flags: u64 = cast(Ptr[sock], tp).__sk_common.skc_flags  # noqa: SLF001 - the kernel's name
    return count - 1 if count and flags & _SOCK_DONE else count


tool: Tool[None] = Tool(
    __name__,
    probes=[on_change, on_accept],
    lines=Lines(
        ended,
        columns.clock(),
        columns.elapsed(6),
        columns.pid(),
        *widened(columns.command(width=10), 16, wide),
        *columns.ends_widened(),
        Column("TX_KB", 6, ">", ".0f", value=lambda _, row: row.sent / 1024),
        Column("RX_KB", 6, ">", ".0f", value=lambda _, row: row.received / 1024),
        Column("TX_SEG", 6, ">", field="segments_out", when=segments),
        Column("RX_SEG", 6, ">", field="segments_in", when=segments),
        Column("AGAIN", 5, ">", field="segments_again", when=segments),
        Column("MS", 0, format=".2f", field="ms", value=lambda _, row: row.took_ns / 1e6),
    ),
    exclusive=[(only_v4, only_v6)],
    letters=("-s",),
    early=True,
    filters=FILTERS,
    examples="""
        tcplife               # trace all TCP connections
        tcplife -T            # include the time of day
        tcplife -t            # include the time since tracing began
        tcplife -w            # wide columns, which IPv6 addresses fit into
        tcplife -stT          # print comma-separated values, with both times
        tcplife -S            # include numbers of segments
        tcplife -p 181        # only connections of process 181
        tcplife -L 80         # only trace local port 80
        tcplife -L 80,81      # only trace local ports 80 and 81
        tcplife -D 80         # only trace remote port 80
        tcplife -6            # only trace IPv6
        tcplife -j            # print JSON, one object per line
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
