"""Trace bind() calls of IP sockets: which process, address, port, and with which options.

A line is printed when the call has returned: ADDR and PORT are what the socket has then, so a port
that the kernel chose is there; of a call that failed (-E) they are what was asked for.

Output:   OPTS is F (IP_FREEBIND), T (IP_TRANSPARENT), N (IP_BIND_ADDRESS_NO_PORT), R (SO_REUSEADDR)
          and r (SO_REUSEPORT). IF is the index of the interface of SO_BINDTODEVICE, or 0. RC is 0,
          or a negative error number, with -w its meaning. With --count a table: how often each
          address and port was bound.
Cost:     two probes, and one hash insert and delete for each call.
Needs:    Linux 5.8. Where functions of the kernel cannot be traced, the system call is: what the
          kernel or io_uring binds is not seen there.
Source:   behaviour after BCC's bindsnoop (Pavel Dubovitsky, 2020); written from scratch.
"""

from __future__ import annotations

import os
import socket
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from pyebpf import (
    Char,
    Const,
    Count,
    Events,
    Ptr,
    Session,
    chars,
    comm,
    i32,
    ktime_get_ns,
    record,
    tgid,
    u8,
    u16,
    u32,
    u64,
    uid,
)
from pyebpf.cli import Column, Elapsed, Lines, Table, Tool, numbers, widened
from pyebpf.kernel import sock
from pyebpf.lib import binding
from pyebpf.lib.binding import Endpoint
from pyebpf.lib.containers import cgroup_map, is_traced, mntns_map
from pyebpf.lib.filters import FILTERS, is_wanted
from pyebpf.lib.net import AF_INET6

__all__ = ["cgroup_map", "mntns_map", "tool"]  # options of theirs are options of the tool

timestamp = Const(False, "-t", "--timestamp", help="include the time in the output")
wide = Const(False, "-w", "--wide", help="columns that IPv6 addresses fit into; errors as text")
only_ports: tuple[int, ...] = Const(
    (), "-P", "--port", help="trace these ports only: 80,443", convert=numbers, metavar="PORTS"
)
errors = Const(False, "-E", "--errors", help="include calls that failed, and why")
print_uid = Const(False, "-U", "--print-uid", help="print the user id")
count = Const(False, "--count", help="count binds by address and port")


@record
class Bind:
    """A call that has returned."""

    ts_ns: u64
    v6: IPv6Address
    v4: IPv4Address
    pid: u32
    uid: u32
    ret: i32
    bound_if: i32
    port: u16
    family: u16
    protocol: u16
    options: u8
    comm: Char = chars(16)


binds = Events[Bind](pages=64)
ends = Count[Endpoint](max_keys=10_240)


@binding.bound()
def on_bound(sk: Ptr[sock], end: Endpoint, ret: i32) -> None:
    """Send what came of a call, or count it."""
    if (ret < 0 and not errors) or (only_ports and end.port not in only_ports):
        return
    if not is_wanted() or not is_traced():
        return
    if count:
        ends.add(end)
        return
    with binds.reserve() as e:
        e.ts_ns, e.pid, e.uid, e.ret, e.comm = ktime_get_ns(), tgid(), uid(), ret, comm()
        e.family, e.port, e.v4, e.v6 = end.family, end.port, end.v4, end.v6
        e.protocol, e.options = sk.sk_protocol, binding.options(sk)
        e.bound_if = sk.__sk_common.skc_bound_dev_if  # noqa: SLF001 - the kernel's name


def address_of(_: Session, end: Any) -> str:
    """Return the address that there is."""
    return str(end.v6 if end.family == AF_INET6 else end.v4)


_PROTOCOLS = {
    number: name.removeprefix("IPPROTO_")
    for name, number in vars(socket).items()
    if name.startswith("IPPROTO_")
}


def options_of(_: Session, bind: Any) -> str:
    """Return a letter for each option, or a dot."""
    return "".join(letter if bind.options >> bit & 1 else "." for bit, letter in enumerate("FTNRr"))


def result_of(session: Session, bind: Any) -> int | str:
    """Return 0 or a negative error number, or what it means."""
    if not session.option(wide):
        ret: int = bind.ret
        return ret
    return os.strerror(-bind.ret)


def is_wide_with_errors(session: Session) -> bool:
    """Tell whether errors are texts."""
    return bool(session.option(wide) and session.option(errors))


def is_narrow_with_errors(session: Session) -> bool:
    """Tell whether errors are numbers."""
    return bool(not session.option(wide) and session.option(errors))


def report(session: Session) -> list[dict[str, Any]]:
    """Return how often each address and port was bound, the most first."""
    counted: Any = session[ends].snapshot()
    return [
        {"laddr": address_of(session, end), "lport": end.port, "binds": seen.count}
        for end, seen in counted.top(len(counted), by="count").items()
    ]


def show(_: Session, rows: list[dict[str, Any]]) -> str:
    """Make the table of --count."""
    table = Table(Column("LADDR", 32), Column("LPORT", 20, ">"), Column("    BINDS", 10))
    return "\n".join([table.header(), *(table.row(*row.values()) for row in rows)])


tool = Tool(
    __name__,
    probes=[on_bound],
    lines=Lines(
        binds,
        Elapsed("TIME(s)", 9, format=".6f", field="ts_ns", when=timestamp),
        Column("UID", 6, ">", when=print_uid),
        Column("RC", 3, ">", field="ret", value=result_of, when=is_narrow_with_errors),
        Column("RC", 25, field="ret", value=result_of, when=is_wide_with_errors),
        *widened(Column("PID", 8, ">"), 10, wide),
        Column("COMM", 12, cut=True),
        Column("PROT", 4, value=lambda _, bind: _PROTOCOLS.get(bind.protocol, "UNKNOWN")),
        *widened(Column("ADDR", 15, value=address_of), 39, wide),
        Column("PORT", 5, ">"),
        Column("OPTS", 5, value=options_of),
        Column("IF", 2, ">", field="bound_if"),
    ),
    summary=count,
    report=report,
    show=show,
    header="Tracing binds... Hit Ctrl-C to end.",
    early=True,
    filters=FILTERS,
    examples="""
        bindsnoop             # trace all bind() calls of IP sockets
        bindsnoop -t          # include timestamps
        bindsnoop -w          # wide columns, which IPv6 addresses fit into
        bindsnoop -p 181      # only trace process 181
        bindsnoop -P 80,81    # only ports 80 and 81
        bindsnoop -U          # include the user
        bindsnoop -u 1000     # only trace user 1000
        bindsnoop -E          # calls that failed too
        bindsnoop --count     # count binds by address and port
        bindsnoop -j          # print JSON, one object per line
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
