"""Summarise the round-trip time of TCP connections as a log2 histogram.

Each segment that comes for an established connection counts once, with the smoothed time of its
connection (srtt) at this moment; so a busy connection counts more than one that is idle.

Output:   one histogram per interval, in microseconds or with -m in milliseconds; with -b or -B one
          for each address, here or at the other end. With -e the average too.
Cost:     a tracepoint that runs for each such segment: on a busy machine a million times a second.
Needs:    Linux 5.5, with BTF.
Source:   behaviour after BCC's tcprtt (zhenwei pi, 2020); written from scratch.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import Any

from pyebpf import Const, Log2Hist, Ptr, Session, cast, u64
from pyebpf.cli import Tool, averaged
from pyebpf.kernel import sk_buff, sock, tcp_sock
from pyebpf.lib import net
from pyebpf.lib.durations import extended, milliseconds
from pyebpf.lib.tcp import Ends, ends_of, is_chosen, only_v4, only_v6, plain, ports

__all__ = ["extended", "milliseconds", "only_v4", "only_v6", "tool"]  # options of the tool

_ANY = IPv6Address(0)


def address(text: str) -> IPv6Address:
    """Read an address as ``Ends`` have it."""
    try:
        known = ip_address(text)
    except ValueError:
        raise ValueError(f"{text!r} is no IP address") from None
    return known if isinstance(known, IPv6Address) else IPv6Address(f"::ffff:{known}")


local_ports: tuple[int, ...] = Const(
    (), "-p", "--lport", help="trace these local ports only: 80,443", convert=ports, metavar="PORTS"
)
remote_ports: tuple[int, ...] = Const(
    (), "-P", "--rport", help="trace these remote ports only", convert=ports, metavar="PORTS"
)
local_address = Const(
    _ANY, "-a", "--laddr", help="trace this local address only", convert=address, metavar="ADDR"
)
remote_address = Const(
    _ANY, "-A", "--raddr", help="trace this remote address only", convert=address, metavar="ADDR"
)
by_local = Const(False, "-b", "--byladdr", help="print a histogram per local address")
by_remote = Const(False, "-B", "--byraddr", help="print a histogram per remote address")
debug = Const(False, "-D", "--debug", help="say first what is attached and read")

us, ms = Log2Hist(unit="us", totals=extended), Log2Hist(unit="ms", totals=extended)
us_by = Log2Hist(unit="us", totals=extended, key=IPv6Address, max_keys=10_240)
ms_by = Log2Hist(unit="ms", totals=extended, key=IPv6Address, max_keys=10_240)


@net.arrived()
def on_segment(sk: Ptr[sock], _: Ptr[sk_buff]) -> None:
    """Count the time of a connection that is asked for."""
    ends = ends_of(sk)
    if not is_chosen(ends):
        return
    if (local_ports and ends.lport not in local_ports) or (
        remote_ports and ends.rport not in remote_ports
    ):
        return
    if local_address not in (_ANY, ends.laddr) or remote_address not in (_ANY, ends.raddr):
        return
    srtt_us = cast(Ptr[tcp_sock], sk).srtt_us >> 3  # the kernel keeps eight times of it
    if milliseconds:
        count(ms, ms_by, ends, srtt_us // 1_000)
    else:
        count(us, us_by, ends, srtt_us)


def count(whole: Log2Hist, keyed: Log2Hist, ends: Ends, rtt: u64) -> None:
    """Add to the histogram that the options ask for."""
    if by_local:
        keyed[ends.laddr].add(rtt)
    elif by_remote:
        keyed[ends.raddr].add(rtt)
    else:
        whole.add(rtt)


def report(session: Session) -> Any:
    """Take one interval: a ``Hist``, or a ``KeyedHist`` by addresses."""
    whole, keyed = (ms, ms_by) if session.option(milliseconds) else (us, us_by)
    if not (session.option(by_local) or session.option(by_remote)):
        return session[whole].take()
    hists: Any = session[keyed].take()
    return hists.named("laddr" if session.option(by_local) else "raddr", plain)


def show(session: Session, result: Any) -> str:
    """Draw it, and with -e say the averages."""
    words = {by_local: "Local Address", by_remote: "Remote Address"}
    chosen = [word for option, word in words.items() if session.option(option)]
    if not chosen:
        return averaged(result) if session.option(extended) else str(result)

    def head(key: Any) -> str:
        hist = result[key]
        average = f" [AVG {hist.total // hist.count}]" if session.option(extended) else ""
        return f"{plain(key)}{average}"

    return str(result.named(chosen[0], head))


def header(session: Session) -> str:
    """Return what is printed when tracing begins."""
    text = "Tracing TCP RTT... Hit Ctrl-C to end."
    return f"{session.explain()}\n{text}" if session.option(debug) else text


tool = Tool(
    __name__,
    probes=[on_segment],
    report=report,
    show=show,
    header=header,
    letters=["-i", "-d"],
    early=True,
    filters="segments come while any task runs",
    exclusive=[(only_v4, only_v6), (by_local, by_remote)],
    examples="""
        tcprtt                # summarize TCP round-trip times
        tcprtt -i 1 -d 10     # print 1 second summaries, for 10 seconds
        tcprtt -mT 1          # 1s summaries, milliseconds, and timestamps
        tcprtt -p 80,443      # of connections to these ports here
        tcprtt -P 5432        # of connections to this port at the other end
        tcprtt -a 10.0.0.1    # of one local address
        tcprtt -A 10.0.0.7    # of one remote address
        tcprtt -b             # show each local address separately
        tcprtt -B             # show each remote address separately
        tcprtt -e             # show averages as well
        tcprtt -4             # trace IPv4 only
        tcprtt -6             # trace IPv6 only
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
