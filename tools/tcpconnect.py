"""Trace TCP connections that programs begin: which process, and where to.

A line is printed for each attempt, whether it succeeds or not. With -d QUERY is the name whose
look-up gave the address, and how long before the attempt the answer came, if that is more than
100 ms: answers of the DNS are read as they pass through this network namespace. What is looked up
by TCP, TLS or HTTPS, or in a file, cannot be known.

Output:   IP is the protocol of the packets: IPv4 by a socket that speaks both is 4. LPORT is "?" if
          it was not known yet. TIME(s) is the time since tracing began. With -c a table: how often
          each address and port was connected to.
Cost:     one to three probes, run for each attempt; with -d a filter, run for each packet.
Needs:    Linux 5.8, with BTF. Where functions of the kernel cannot be traced, changes of state are.
          With -L a line comes there when connect() returns, and without the port if the attempt is
          not by connect() (io_uring, TCP Fast Open).
Source:   behaviour after BCC's tcpconnect (Brendan Gregg, 2015); written from scratch.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

from pyebpf import (
    Const,
    Count,
    Events,
    Ptr,
    Session,
    SkBuffContext,
    htons,
    ktime_get_ns,
    record,
    socket_filter,
    u16,
    u32,
    u64,
    uid,
)
from pyebpf.cli import Column, Lines, Table, Tool
from pyebpf.cli import tcp as columns
from pyebpf.cli.dns import QueryColumn
from pyebpf.cli.tcp import timestamp
from pyebpf.kernel import sock
from pyebpf.lib import net
from pyebpf.lib.containers import cgroup_map, is_traced, mntns_map
from pyebpf.lib.filters import FILTERS, is_wanted
from pyebpf.lib.tcp import Ends, Owner, current, ends_of, is_chosen, only_v4, only_v6, plain, ports
from pyebpf.net import (
    ETH_P_IP,
    ETH_P_IPV6,
    IPPROTO_UDP,
    IPV6_LENGTH,
    UDP,
    IPv4,
    IPv6,
    ipv4_length,
)

__all__ = [
    "cgroup_map", "mntns_map", "only_v4", "only_v6", "timestamp", "tool",
]  # fmt: skip # options of the tool too

only_ports: tuple[int, ...] = Const(
    (), "-P", "--port", help="trace these remote ports only: 80,443", convert=ports, metavar="PORTS"
)
lport = Const(False, "-L", "--lport", help="include the local port")
print_uid = Const(False, "-U", "--print-uid", help="print the user id")
count = Const(False, "-c", "--count", help="count connections by addresses and port")
dns = Const(False, "-d", "--dns", help="include the name that was looked up, if one was seen")

_DNS = 53  # a port


@record
class Connect:
    """A connection that a program begins."""

    ts_ns: u64
    ends: Ends
    owner: Owner
    uid: u32


@record
class Way:
    """From where to where."""

    laddr: IPv6Address
    raddr: IPv6Address
    rport: u16


connects = Events[Connect](pages=64)
ways = Count[Way](max_keys=10_240)


@net.connecting(port=lport)
def on_connect(sk: Ptr[sock]) -> None:
    """Send a connection, or count it."""
    if not is_wanted() or not is_traced():
        return
    ends = ends_of(sk)
    if not is_chosen(ends) or (only_ports and ends.rport not in only_ports):
        return
    if count:
        ways.add(Way(laddr=ends.laddr, raddr=ends.raddr, rport=ends.rport))
    else:
        connects.emit(Connect(ts_ns=ktime_get_ns(), ends=ends, owner=current(), uid=uid()))


@socket_filter(when=dns)
def on_packet(ctx: SkBuffContext) -> u32:
    """Let what servers of the DNS send through."""
    at = 0
    if ctx.protocol == htons(ETH_P_IP):
        old = ctx.packet(IPv4)
        if old is None or old.protocol != IPPROTO_UDP:
            return 0
        at = ipv4_length(old)
    elif ctx.protocol == htons(ETH_P_IPV6):
        new = ctx.packet(IPv6)
        if new is None or new.next != IPPROTO_UDP:
            return 0
        at = IPV6_LENGTH
    else:
        return 0
    udp = ctx.packet(UDP, at=at)
    return ctx.len if udp is not None and udp.source == _DNS else 0


def report(session: Session) -> list[dict[str, Any]]:
    """Return how often there was a connection from where to where, the most first."""
    counted: Any = session[ways].snapshot()
    return [
        {
            "laddr": plain(way.laddr),
            "raddr": plain(way.raddr),
            "rport": way.rport,
            "connects": seen.count,
        }
        for way, seen in counted.top(len(counted), by="count").items()
    ]


def show(_: Session, rows: list[dict[str, Any]]) -> str:
    """Make the table of -c."""
    table = Table(
        Column("LADDR", 25), Column("RADDR", 25), Column("RPORT", 20), Column("CONNECTS", 10)
    )
    return "\n".join([table.header(), *(table.row(*row.values()) for row in rows)])


tool = Tool(
    __name__,
    probes=[on_connect, on_packet],
    lines=Lines(
        connects,
        columns.elapsed(3),
        Column("UID", 6, when=print_uid),
        columns.pid(),
        columns.command(),
        columns.version(),
        columns.local_address("SADDR", 16),
        Column("LPORT", 6, value=lambda _, row: row.ends.lport or None, absent="?", when=lport),
        columns.remote_address("DADDR", 16),
        columns.remote_port("DPORT", 6),
        QueryColumn("QUERY", 0, absent="No DNS Query", when=dns, answers=on_packet),
    ),
    summary=count,
    report=report,
    show=show,
    header=lambda session: "Tracing connect... Hit Ctrl-C to end." if session.option(count) else "",
    exclusive=[(only_v4, only_v6), (count, dns)],
    early=True,
    filters=FILTERS,
    examples="""
        tcpconnect                            # trace all attempts to connect
        tcpconnect -t                         # include the time since tracing began
        tcpconnect -p 181                     # only trace process 181
        tcpconnect -P 80,81                   # only trace ports 80 and 81
        tcpconnect -4                         # only trace IPv4
        tcpconnect -U                         # include the user
        tcpconnect -u 1000                    # only trace user 1000
        tcpconnect --container web            # only trace what runs in this container
        tcpconnect -c                         # count connections by addresses and port
        tcpconnect -L                         # include the local port
        tcpconnect -d                         # include the name that was looked up
        tcpconnect --cgroupmap PATH           # only cgroups in this pinned map
        tcpconnect --mntnsmap PATH            # only mount namespaces in this pinned map
        tcpconnect --exec curl example.org    # run a command, and trace it alone
        tcpconnect -j                         # print JSON, one object per line
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
