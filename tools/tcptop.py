"""Show how much each process sends and receives by each TCP connection, refreshed like top.

Counted is what programs give to TCP and take from it, not what goes over the network: neither
headers nor what is sent once more; and what is only looked at (MSG_PEEK) is not taken. A socket of
IPv6 that is connected to an IPv4 address is in the table of IPv4.

Output:   a screen per interval: the load, then a table for IPv4 and one for IPv6, whoever
          transferred most first. KB are 1,024 bytes.
Cost:     two probes, and a hash insert or update for each call that sends or receives. What is
          counted in the very moment in which an interval ends may be missed.
Needs:    Linux 5.8, with BTF; before 6.3, functions of the kernel that can be traced. Where these
          cannot be, what is moved from a socket to a pipe (splice) is not seen (--explain says
          what is traced).
Source:   behaviour after BCC's tcptop (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyebpf import (
    ArrayOfMaps,
    Char,
    Const,
    Hash,
    Ptr,
    Session,
    chars,
    comm,
    record,
    rows,
    tgid,
    u32,
    u64,
)
from pyebpf.cli import Column, Part, Screen, Tool
from pyebpf.cli.tcp import place
from pyebpf.kernel import sock
from pyebpf.lib import net
from pyebpf.lib.containers import cgroup_map, is_traced, mntns_map
from pyebpf.lib.filters import FILTERS, is_wanted
from pyebpf.lib.tcp import (
    Ends,
    ends_of,
    is_chosen,
    local_ports,
    only_v4,
    only_v6,
    plain,
    remote_ports,
)

__all__ = [
    "cgroup_map", "local_ports", "mntns_map", "only_v4", "only_v6", "remote_ports", "tool",
]  # fmt: skip # options of theirs are options of the tool

noclear = Const(False, "-C", "--noclear", help="don't clear the screen")
nosummary = Const(False, "-S", "--nosummary", help="skip the line with time and load")


@record
class Whose:
    """A connection, and a process that uses it."""

    ends: Ends
    pid: u32
    comm: Char = chars(16)


@record
class Did:
    """What went through it, in bytes."""

    sent: u64
    received: u64


transfers = Hash[Whose, Did](max_entries=10_240)
#: Has the map of the interval: it is swapped for an empty one, so that nothing added is lost.
by_turn = ArrayOfMaps(transfers, (transfers,))


def count(sk: Ptr[sock], sent: u64, received: u64) -> None:
    """Add to what this process has sent and received."""
    if not is_wanted() or not is_traced():
        return
    ends = ends_of(sk)
    if not is_chosen(ends):
        return
    turn = by_turn.get(0)
    if turn is None:
        return
    did = turn.setdefault(Whose(ends=ends, pid=tgid(), comm=comm()), Did(sent=0, received=0))
    did.sent += sent
    did.received += received


@net.sent()
def on_send(sk: Ptr[sock], size: u64) -> None:
    """Count what is sent."""
    count(sk, size, 0)


@net.received()
def on_receive(sk: Ptr[sock], size: u64) -> None:
    """Count what is received."""
    count(sk, 0, size)


def report(session: Session) -> list[dict[str, Any]]:
    """Take one interval: a row for each process and connection, first who transferred most."""
    with session[by_turn].swap(0) as past:
        keys, values = past.snapshot()
    most = (values["sent"] + values["received"]).argsort(kind="stable")[::-1]
    pairs = zip(rows(Whose, keys[most]), rows(Did, values[most]), strict=True)
    return [row(whose, did) for whose, did in pairs]


def row(whose: Any, did: Any) -> dict[str, Any]:
    """Say what went through one connection."""
    return {
        "pid": whose.pid,
        "comm": whose.comm,
        "ip": whose.ends.version,
        "laddr": plain(whose.ends.laddr),
        "lport": whose.ends.lport,
        "raddr": plain(whose.ends.raddr),
        "rport": whose.ends.rport,
        "rx_kb": did.received / 1024,
        "tx_kb": did.sent / 1024,
    }


def of(version: int) -> Callable[[Mapping[str, Any]], Mapping[str, Any] | None]:
    """Return what makes the cells of rows of one protocol."""

    def cells(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if row["ip"] != version:
            return None
        here, there = (place(row[f"{end}addr"], row[f"{end}port"]) for end in "lr")
        return {**row, "laddr": here, "raddr": there}

    return cells


def table(version: int, mark: str, width: int) -> Part:
    """Return the table of one protocol."""
    columns = (
        Column("PID", 7),
        Column("COMM", 12, cut=True),
        Column(f"LADDR{mark}", width, field="laddr"),
        Column(f"RADDR{mark}", width, field="raddr"),
        Column("RX_KB", 6, ">", ".0f"),
        Column("TX_KB", 6, ">", ".0f"),
    )
    return Part(columns, of(version))


tool = Tool(
    __name__,
    probes=[on_send, on_receive],
    report=report,
    layout=Screen((), keep=noclear, quiet=nosummary, parts=(table(4, "", 21), table(6, "6", 32))),
    header="Tracing TCP transfers... Hit Ctrl-C to end.",
    interval_s=1,
    early=True,
    filters=FILTERS,
    exclusive=[(only_v4, only_v6)],
    examples="""
        tcptop                # TCP throughput by process and connection, 1 second refresh
        tcptop -C             # don't clear the screen
        tcptop -p 181         # only trace process 181
        tcptop --top 10       # only the 10 that transfer most
        tcptop -6 5           # only IPv6, 5 second summaries
        tcptop -D 443 5 10    # only what goes to port 443, 10 times
        tcptop --cgroupmap /sys/fs/bpf/mine   # only cgroups in this pinned map
        tcptop --mntnsmap /sys/fs/bpf/mine    # only mount namespaces in this pinned map
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
