"""Trace what TCP sends once more, because no answer came: a line for each time.

The answers to what begins a connection (SYN-ACK) are among it, with the state NEW_SYN_RECV. What
this machine fails to send is not. With -l also tail loss probes: when the last packets stay without
an answer, one more is sent, before it is known that any is lost.

Output:   PID is what ran when it was sent, mostly because of a timer, so seldom the one whose
          connection it is. R> is sent once more, L> as a loss probe. SEQ is the number of the first
          byte that is sent. With -c a table: how often for each connection.
Cost:     two tracepoints, with -l a function more, that run when packets seem lost.
Needs:    Linux 5.8, with BTF. Where functions of the kernel cannot be traced, loss probes with new
          data are not seen; the first line says so.
Source:   behaviour after BCC's tcpretrans (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from typing import Any

from pyebpf import (
    Const,
    Count,
    Events,
    Ptr,
    Session,
    cast,
    ktime_get_ns,
    record,
    tgid,
    u8,
    u32,
    u64,
)
from pyebpf.cli import Clock, Column, Lines, Table, Tool
from pyebpf.cli import tcp as columns
from pyebpf.kernel import request_sock, sk_buff, sock, tcp_request_sock
from pyebpf.lib import net
from pyebpf.lib.tcp import (
    STATES,
    Ends,
    ends_of,
    is_chosen,
    is_loss_probe,
    local_ports,
    new_data,
    only_v4,
    only_v6,
    plain,
    remote_ports,
    sequence,
)

__all__ = ["local_ports", "only_v4", "only_v6", "remote_ports", "tool"]  # options of the tool

show_sequence = Const(False, "-s", "--sequence", help="show sequence numbers")
loss_probes = Const(False, "-l", "--lossprobe", help="include tail loss probes")
count = Const(False, "-c", "--count", help="count by connection")


@record
class Sent:
    """What was sent."""

    ts_ns: u64
    ends: Ends
    pid: u32
    seq: u32
    state: u8
    probe: bool


sent = Events[Sent](pages=64)
flows = Count[Ends](max_keys=10_240)


def send(sk: Ptr[sock], seq: u32, probe: bool) -> None:
    """Send or count it, if it is of a connection that is asked for."""
    ends = ends_of(sk)
    if not is_chosen(ends):
        return
    if count:
        flows.add(ends)
        return
    with sent.reserve() as e:
        e.ts_ns, e.pid, e.ends, e.seq, e.probe = ktime_get_ns(), tgid(), ends, seq, probe
        e.state = sk.__sk_common.skc_state  # noqa: SLF001 - the kernel's name


def on_resent(sk: Ptr[sock], skb: Ptr[sk_buff]) -> None:
    """Send what is sent once more, also as a loss probe."""
    send(sk, sequence(skb), bool(loss_probes) and is_loss_probe(sk))


def on_probe(sk: Ptr[sock]) -> None:
    """Send a loss probe that has new data; of another one, on_resent is told."""
    head = new_data(sk)
    if head is not None:
        send(sk, sequence(head), True)


@net.answered_again()
def on_answer(_: Ptr[sock], request: Ptr[request_sock]) -> None:
    """Send what is sent once more for a connection that is to be: it begins as a socket does."""
    send(cast(Ptr[sock], request), cast(Ptr[tcp_request_sock], request).snt_isn, False)


def report(session: Session) -> list[dict[str, Any]]:
    """Return how often something was sent once more, by connection, the most first."""
    counted: Any = session[flows].snapshot()
    return [
        {
            "laddr": plain(ends.laddr),
            "lport": ends.lport,
            "raddr": plain(ends.raddr),
            "rport": ends.rport,
            "retransmits": seen.count,
        }
        for ends, seen in counted.top(len(counted), by="count").items()
    ]


def show(_: Session, rows: list[dict[str, Any]]) -> str:
    """Make the table of -c."""
    table = Table(Column("LADDR:LPORT", 25), Column("RADDR:RPORT", 25), Column("RETRANSMITS", 10))
    lines = (
        table.row(
            columns.place(row["laddr"], row["lport"]),
            columns.place(row["raddr"], row["rport"]),
            row["retransmits"],
        )
        for row in rows
    )
    return "\n".join([table.header(), *lines])


def header(session: Session) -> str:
    """Return what is printed when tracing begins."""
    text = "Tracing retransmits... Hit Ctrl-C to end."
    if session.option(loss_probes) and not net.is_seen(session, on_probe):
        text = f"No loss probes with new data: tcp_send_loss_probe cannot be traced here.\n{text}"
    return text


_TIME = Clock("TIME", 8, value=lambda _, row: row.ts_ns)
_PID = Column("PID", 7)
_STATE = Column("STATE", 12, value=lambda _, row: STATES[row.state])
_SEQUENCE = Column("SEQ", 10, when=show_sequence)

tool = Tool(
    __name__,
    probes=[net.sent_again(on_resent, on_probe, probes=loss_probes), on_answer],
    lines=Lines(
        sent,
        _TIME,
        _PID,
        columns.version(),
        columns.local_end(),
        Column("T>", 2, value=lambda _, row: "L>" if row.probe else "R>"),
        columns.remote_end(),
        _STATE,
        _SEQUENCE,
        values=(
            _TIME,
            _PID,
            *columns.fields(),
            Column("TYPE", 1, value=lambda _, row: "L" if row.probe else "R"),
            _STATE,
            _SEQUENCE,
        ),
    ),
    summary=count,
    report=report,
    show=show,
    header=header,
    exclusive=[(only_v4, only_v6)],
    early=True,
    filters="timers and packets make TCP send once more, while any task runs",
    examples="""
        tcpretrans            # trace what TCP sends once more
        tcpretrans -l         # tail loss probes too
        tcpretrans -s         # with sequence numbers
        tcpretrans -c         # count by connection
        tcpretrans -4         # trace IPv4 only
        tcpretrans -6         # trace IPv6 only
        tcpretrans -D 443     # only what is sent to port 443
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
