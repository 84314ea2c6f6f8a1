"""TCP connections: their two ends, their states, whose they are, and which of them to trace.

A tool that imports ``only_v4``, ``only_v6``, ``local_ports``, ``remote_ports`` has these options,
and asks :func:`is_chosen` in its probes.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from pyebpf.dsl.access import addressof, cast, view
from pyebpf.dsl.builtins import comm, ipv4, ipv6, tgid
from pyebpf.dsl.constants import Const
from pyebpf.dsl.records import chars, record
from pyebpf.dsl.scalars import Char, Ptr, Text, i32, u16, u32, u64
from pyebpf.kernel import inet_connection_sock, sk_buff, sock, tcp_skb_cb, tcp_sock
from pyebpf.lib.filters import is_filtering, is_wanted
from pyebpf.lib.net import AF_INET6, family, local_port, remote_port
from pyebpf.lib.net import is_tcp as is_tcp  # noqa: PLC0414 - tools have it from here

#: States of a connection (``include/net/tcp_states.h``), each at its number.
STATES = (
    "", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE",
    "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV", "BOUND_INACTIVE",
)  # fmt: skip
ESTABLISHED, SYN_SENT, SYN_RECV = 1, 2, 3
FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE = 4, 5, 6, 7
CLOSE_WAIT, LAST_ACK, LISTEN, CLOSING = 8, 9, 10, 11

_NONE = IPv6Address(0)
_NO_NAME = Text("")
_ICSK_TIME_LOSS_PROBE = 5  # include/net/inet_connection_sock.h
_TCP_CA_RECOVERY = 3  # include/uapi/linux/tcp.h
MAPPED = 0xFFFF  # before an IPv4 address in one of IPv6: both bytes alike, so no order matters


def ports(text: str) -> tuple[int, ...]:
    """Read numbers of ports with commas between them, such as ``"80,443"``."""
    words = text.split(",")
    for word in words:
        if not (word.isascii() and word.isdigit() and int(word) <= 0xFFFF):
            raise ValueError(f"{word!r} is no port: a number up to 65535")
    return tuple(map(int, words))


only_v4 = Const(False, "-4", "--ipv4", help="trace IPv4 only")
only_v6 = Const(False, "-6", "--ipv6", help="trace IPv6 only")
local_ports: tuple[int, ...] = Const(
    (), "-L", "--localport", help="trace these local ports only: 80,443",
    convert=ports, metavar="PORTS",
)  # fmt: skip
remote_ports: tuple[int, ...] = Const(
    (), "-D", "--remoteport", help="trace these remote ports only: 80,443",
    convert=ports, metavar="PORTS",
)  # fmt: skip


@record
class Ends:
    """Both ends of a connection: its identity, also as a key.

    Attributes:
        laddr, raddr: addresses, local and remote. ``a.b.c.d`` of IPv4 is ``::ffff:a.b.c.d``, as it
            is in the kernel's sockets that speak both; :func:`plain` is for people.
        lport, rport: ports, in this machine's byte order; 0 while there is none.
        version: of the protocol that the packets have: 4 or 6. A socket of IPv6 that is connected
            to an IPv4 address has 4.
    """

    laddr: IPv6Address
    raddr: IPv6Address
    lport: u16
    rport: u16
    version: u16


@record
class Mapped:
    """An IPv4 address in one of IPv6 (RFC 4291, 2.5.5.2)."""

    zeros: u64
    more: u16
    ones: u16
    v4: IPv4Address


def ends_of(sk: Ptr[sock]) -> Ends:
    """Return both ends of a socket of IPv4 or IPv6."""
    ends = Ends(laddr=_NONE, raddr=_NONE, lport=local_port(sk), rport=remote_port(sk), version=6)
    here, there = view(Mapped, ends.laddr), view(Mapped, ends.raddr)
    if family(sk) == AF_INET6:
        ends.laddr = ipv6(sk.__sk_common.skc_v6_rcv_saddr)  # noqa: SLF001 - the kernel's name
        ends.raddr = ipv6(sk.__sk_common.skc_v6_daddr)  # noqa: SLF001
    else:
        here.ones, here.v4 = MAPPED, ipv4(sk.__sk_common.skc_rcv_saddr)  # noqa: SLF001
        there.ones, there.v4 = MAPPED, ipv4(sk.__sk_common.skc_daddr)  # noqa: SLF001
    if there.zeros == 0 and there.more == 0 and there.ones == MAPPED:
        ends.version = 4
    return ends


def is_chosen(ends: Ends) -> bool:
    """Tell whether the options ask for a connection: its protocol and ports."""
    if (only_v4 and ends.version != 4) or (only_v6 and ends.version != 6):
        return False
    if local_ports and ends.lport not in local_ports:
        return False
    return not remote_ports or ends.rport in remote_ports


def is_own(old: i32, new: i32) -> bool:
    """Tell whether a change of state is made by the process that has the socket.

    Those are what system calls change: ``connect``, ``listen``, ``close``, ``shutdown``.
    Others are made by packets and timers, while any process runs, or by both.
    """
    return new in (SYN_SENT, LISTEN, FIN_WAIT1, LAST_ACK) or (old == LISTEN and new == CLOSE)


@record
class Owner:
    """The process that has a connection: the number 0 and no name if none has.

    Attributes:
        asked_for: whether it was among those that the tool's ``FILTERS`` ask for when it became the
            owner; of nobody, whether they ask for all.
    """

    pid: u32
    asked_for: bool
    comm: Char = chars(16)


def current() -> Owner:
    """Return the current process as an owner."""
    return Owner(pid=tgid(), asked_for=is_wanted(), comm=comm())


def nobody() -> Owner:
    """Return the owner of what has none."""
    return Owner(pid=0, asked_for=not is_filtering(), comm=_NO_NAME)


def sequence(skb: Ptr[sk_buff]) -> u32:
    """Return the number of the first byte of a packet that a socket is sending."""
    number: u32 = cast(Ptr[tcp_skb_cb], addressof(skb.cb)).seq
    return number


def is_loss_probe(sk: Ptr[sock]) -> bool:
    """Tell whether what a socket sends once more is sent as a tail loss probe."""
    # While a timer is served, what it is for is still noted. The same is noted while it runs, but
    # then something is sent again only in recovery, where the socket's state says so.
    inner = cast(Ptr[inet_connection_sock], sk)
    probing: bool = inner.icsk_pending == _ICSK_TIME_LOSS_PROBE
    return probing and inner.icsk_ca_state < _TCP_CA_RECOVERY


def new_data(sk: Ptr[sock]) -> Ptr[sk_buff] | None:
    """Return what a socket would send next, if there is something and the other end takes it."""
    inner = cast(Ptr[tcp_sock], sk)
    if not sk.sk_write_queue.qlen:
        return None
    head = sk.sk_write_queue.next
    end: u32 = sequence(head) + min(head.len, inner.mss_cache)
    room: i32 = inner.snd_una + inner.snd_wnd - end
    return head if room >= 0 else None


def plain(address: IPv6Address) -> IPv4Address | IPv6Address:
    """Return an address of :class:`Ends` as people know it. Not for probes."""
    return address.ipv4_mapped or address
