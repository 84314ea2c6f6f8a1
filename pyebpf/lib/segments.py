"""TCP segments in the kernel's packets: between whom they go, their flags, why they are dropped."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from ipaddress import IPv6Address

from pyebpf.btf.system import kernel_enum
from pyebpf.dsl.access import cast, read_kernel, view
from pyebpf.dsl.byte_order import ntohs
from pyebpf.dsl.records import record
from pyebpf.dsl.scalars import Ptr, u8, u16, u64
from pyebpf.kernel import net, sk_buff, sock
from pyebpf.lib.tcp import MAPPED, Mapped
from pyebpf.net import ETH_P_IP, ETH_P_IPV6, IPPROTO_TCP, IPV6_LENGTH, IPv4, IPv6, ipv4_length

_NONE = IPv6Address(0)
_OFFSET = 0x1FFF  # of a fragment in its packet (RFC 791)
_VERSION_AT = 28  # bits into the first word of IPv6 (RFC 8200)
_FLAGS_AT = 13  # bytes into the header (RFC 9293)
#: Headers that may come between those of IPv6 and TCP, all of one form (RFC 8200): options for each
#: hop, a route, options for the end.
_BETWEEN = (0, 43, 60)
_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")


@record
class Segment:
    """Where a segment comes from and goes to.

    Attributes:
        saddr, daddr: addresses, as in ``Ends`` of :mod:`pyebpf.lib.tcp`.
        sport, dport: ports, in this machine's byte order.
        version: of the protocol: 4 or 6; 0 if this is no segment of TCP.
        flags: a bit for each, as :func:`flag_words` reads them.
    """

    saddr: IPv6Address
    daddr: IPv6Address
    sport: u16
    dport: u16
    version: u8
    flags: u8


def segment_of(skb: Ptr[sk_buff]) -> Segment:
    """Return what the headers of a packet say; with the version 0, if it is none of TCP."""
    found = Segment(saddr=_NONE, daddr=_NONE, sport=0, dport=0, version=0, flags=0)
    at = cast(u64, skb.head) + skb.network_header
    kind = ntohs(skb.protocol)
    if kind == ETH_P_IP:
        four = read_kernel(IPv4, at)
        # What comes in a later fragment begins with no header.
        if four.version != 4 or four.protocol != IPPROTO_TCP or four.fragment & _OFFSET:
            return found
        found.version = 4
        source, target = view(Mapped, found.saddr), view(Mapped, found.daddr)
        source.ones, source.v4 = MAPPED, four.source
        target.ones, target.v4 = MAPPED, four.target
        at += ipv4_length(four)
    elif kind == ETH_P_IPV6:
        six = read_kernel(IPv6, at)
        found.saddr, found.daddr = six.source, six.target
        at += IPV6_LENGTH
        following = six.next
        for _ in range(len(_BETWEEN)):
            if following in _BETWEEN:
                following, length = read_kernel(tuple[u8, u8], at)
                at += (length + 1) * 8
        if six.flow >> _VERSION_AT != 6 or following != IPPROTO_TCP:
            return found
        found.version = 6
    if not found.version:
        return found
    found.sport, found.dport = ntohs(read_kernel(u16, at)), ntohs(read_kernel(u16, at + 2))
    found.flags = read_kernel(u8, at + _FLAGS_AT)
    return found


def network_of(skb: Ptr[sk_buff], sk: Ptr[sock]) -> u64:
    """Return the inode number of the network namespace that a packet is in; 0 if not known."""
    # By numbers: the verifier wants one load for each kind of pointer, and LLVM would make one.
    by_device = cast(u64, skb.dev.nd_net.net)
    by_socket = cast(u64, sk.__sk_common.skc_net.net)  # noqa: SLF001 - the kernel's name
    inode: u64 = cast(Ptr[net], by_socket or by_device).ns.inum
    return inode


def flag_words(flags: int) -> str:
    """Return the flags of a segment in words: ``SYN|ACK``."""
    return "|".join(word for bit, word in enumerate(_FLAGS) if flags >> bit & 1)


def reason_word(number: int) -> str:
    """Return why a packet was dropped, as the kernel calls it: ``NO_SOCKET``.

    ``UNKNOWN`` where the kernel has no such names, or the reason is of one of its subsystems.
    """
    return _reasons().get(number, "UNKNOWN")


@cache
def _reasons() -> Mapping[int, str]:
    # The numbers differ between kernels; the names do not.
    return {
        number: name.removeprefix("SKB_").removeprefix("DROP_REASON_")
        for name, number in kernel_enum("skb_drop_reason").items()
    }
