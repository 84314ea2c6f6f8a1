"""Trace TCP connections that programs accept: which process, and from where.

A line is printed when a program gets a connection by accept() or accept4(). Connections that are
made and never accepted are not shown; tcpstates and tcplife see those.

Output:   IP is the protocol of the packets: IPv4 by a socket that speaks both is 4. TIME(s) is the
          time since tracing began.
Cost:     one probe, run for each accept.
Needs:    Linux 5.8. Where functions of the kernel cannot be traced, the system calls are: what
          io_uring accepts is not seen there.
Source:   behaviour after BCC's tcpaccept (Brendan Gregg, 2015); written from scratch.
"""

from __future__ import annotations

from pyebpf import Const, Events, Ptr, ktime_get_ns, record, u64
from pyebpf.cli import Lines, Tool
from pyebpf.cli import tcp as columns
from pyebpf.cli.tcp import time_of_day, timestamp
from pyebpf.kernel import sock
from pyebpf.lib import net
from pyebpf.lib.containers import cgroup_map, is_traced, mntns_map
from pyebpf.lib.filters import FILTERS, is_wanted
from pyebpf.lib.tcp import Ends, Owner, current, ends_of, is_chosen, only_v4, only_v6, ports

__all__ = [
    "cgroup_map", "mntns_map", "only_v4", "only_v6", "time_of_day", "timestamp", "tool",
]  # fmt: skip # options of the tool too

only_ports: tuple[int, ...] = Const(
    (), "-P", "--port", help="trace these local ports only: 80,443", convert=ports, metavar="PORTS"
)


@record
class Accept:
    """A connection that a program got."""

    ts_ns: u64
    ends: Ends
    owner: Owner


accepts = Events[Accept](pages=64)


@net.accepted()
def on_accept(sk: Ptr[sock]) -> None:
    """Send a connection."""
    if not is_wanted() or not is_traced():
        return
    ends = ends_of(sk)
    if is_chosen(ends) and (not only_ports or ends.lport in only_ports):
        accepts.emit(Accept(ts_ns=ktime_get_ns(), ends=ends, owner=current()))


tool: Tool[None] = Tool(
    __name__,
    probes=[on_accept],
    lines=Lines(
        accepts,
        columns.clock(),
        columns.elapsed(3),
        columns.pid(),
        columns.command(),
        columns.version(),
        columns.remote_address(width=16),
        columns.remote_port(),
        columns.local_address(width=16),
        columns.local_port(),
    ),
    exclusive=[(only_v4, only_v6)],
    early=True,
    filters=FILTERS,
    examples="""
        tcpaccept                             # trace all accepted connections
        tcpaccept -t                          # include the time since tracing began
        tcpaccept -T                          # include the time of day
        tcpaccept -p 181                      # only trace process 181
        tcpaccept --container web             # only trace what runs in this container
        tcpaccept -P 80,81                    # only trace ports 80 and 81
        tcpaccept -4                          # only trace IPv4
        tcpaccept --cgroupmap PATH            # only cgroups in this pinned map
        tcpaccept --mntnsmap PATH             # only mount namespaces in this pinned map
        tcpaccept --exec ./server             # run a command, and trace it alone
        tcpaccept -j                          # print JSON, one object per line
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
