"""Headers of packets, for ``ctx.packet(IPv4, at=14)``, and the numbers that stand in them.

Numbers are those that a person reads: fields in the order of the network (``be16``, ``be32``) turn
when they are read and written. Addresses are those of ``ipaddress``. Offsets are constants, or
come from the header before: :func:`ipv4_length`, :func:`tcp_length`.

Source: RFC 791, 768, 792, 826, 8200, 9293; IEEE 802.3 and 802.1Q; ``include/uapi/linux/if_ether.h``
and ``pkt_cls.h`` of Linux.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from pyebpf.dsl.records import bits, octets, record
from pyebpf.dsl.scalars import Bytes, be16, be32, u8, u32

ETHERNET_LENGTH = 14
IPV6_LENGTH = 40
UDP_LENGTH = 8

ETH_P_IP = 0x0800
ETH_P_ARP = 0x0806
ETH_P_8021Q = 0x8100
ETH_P_IPV6 = 0x86DD

IPPROTO_ICMP = 1
IPPROTO_TCP = 6
IPPROTO_UDP = 17
IPPROTO_ICMPV6 = 58

XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, XDP_REDIRECT = range(5)
SK_DROP, SK_PASS = range(2)
TC_ACT_UNSPEC = -1
TC_ACT_OK = 0
TC_ACT_RECLASSIFY = 1
TC_ACT_SHOT = 2
TC_ACT_PIPE = 3
TC_ACT_REDIRECT = 7


@record
class Ethernet:
    """The header of a frame, 14 bytes; ``kind`` is one of ``ETH_P_*``."""

    target: Bytes = octets(6)
    source: Bytes = octets(6)
    kind: be16


@record
class VLAN:
    """A tag after the addresses of a frame, 4 bytes; the low 12 bits of ``control`` say which."""

    control: be16
    kind: be16


@record
class ARP:
    """A request or an answer for an IPv4 address, 28 bytes."""

    hardware: be16
    protocol: be16
    hardware_length: u8
    protocol_length: u8
    operation: be16
    sender_hardware: Bytes = octets(6)
    sender: Bytes = octets(4)
    target_hardware: Bytes = octets(6)
    wanted: Bytes = octets(4)


@record
class IPv4:
    """The header of an IPv4 packet without options, 20 bytes; ``protocol`` is ``IPPROTO_*``."""

    words: u8 = bits(4)
    version: u8 = bits(4)
    service: u8
    length: be16
    id: be16
    fragment: be16
    ttl: u8
    protocol: u8
    checksum: be16
    source: IPv4Address
    target: IPv4Address


@record
class IPv6:
    """The header of an IPv6 packet, 40 bytes; ``next`` is ``IPPROTO_*``, or what comes between."""

    flow: be32
    length: be16
    next: u8
    hops: u8
    source: IPv6Address
    target: IPv6Address


@record
class TCP:
    """The header of a TCP segment without options, 20 bytes."""

    source: be16
    target: be16
    sequence: be32
    acknowledged: be32
    reserved: u8 = bits(4)
    words: u8 = bits(4)
    fin: bool = bits(1)
    syn: bool = bits(1)
    rst: bool = bits(1)
    psh: bool = bits(1)
    ack: bool = bits(1)
    urg: bool = bits(1)
    ece: bool = bits(1)
    cwr: bool = bits(1)
    window: be16
    checksum: be16
    urgent: be16


@record
class UDP:
    """The header of a UDP datagram, 8 bytes."""

    source: be16
    target: be16
    length: be16
    checksum: be16


@record
class ICMP:
    """The header of an ICMP or ICMPv6 message, 8 bytes with its own word."""

    kind: u8
    code: u8
    checksum: be16
    rest: be32


def ipv4_length(header: IPv4) -> u32:
    """Return the length of an IPv4 header with its options, in bytes."""
    return header.words * 4


def tcp_length(header: TCP) -> u32:
    """Return the length of a TCP header with its options, in bytes."""
    return header.words * 4
