"""Packets between devices of a network of our own: changed, sent on, and right at the other end."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address

import pytest

from pyebpf import (
    Array,
    Global,
    SkBuffContext,
    XdpContext,
    helpers,
    htons,
    i32,
    load,
    net,
    record,
    tc,
    u16,
    u32,
    u64,
    xdp,
)
from pyebpf.errors import NotSupportedError
from tests.kernel.namespaces import in_own_network, pair

pytestmark = pytest.mark.kernel

SENT = 17
ASKED, GIVEN = 4000, 4242
CLIENT, SERVER, OTHER = (IPv4Address(f"10.77.0.{n}") for n in (1, 2, 3))
IP, L4 = net.ETHERNET_LENGTH, net.ETHERNET_LENGTH + 20
IP_CHECKSUM, IP_TARGET = IP + 10, IP + 16
UDP_TARGET, UDP_CHECKSUM = L4 + 2, L4 + 6
PSEUDO_HEADER = 0x10  # BPF_F_PSEUDO_HDR of include/uapi/linux/bpf.h
#: The other address as the packet has it.
NEW = int.from_bytes(OTHER.packed, "little")

counts = Array[u64](max_entries=2)
way_out = Global[u32](0)


@record
class Address:
    value: u32


@record
class Port:
    value: u16


@tc("ingress")
def to_another(ctx: SkBuffContext) -> i32:
    udp = ctx.packet(net.UDP, at=L4)
    address = ctx.packet(Address, at=IP_TARGET)
    if udp is None or address is None or udp.target != ASKED:
        return net.TC_ACT_OK
    old = address.value
    counts[0] += 1
    # These may move the packet: it is looked at again behind them.
    helpers.l4_csum_replace(ctx, UDP_CHECKSUM, htons(ASKED), htons(GIVEN), 2)
    helpers.l4_csum_replace(ctx, UDP_CHECKSUM, old, NEW, PSEUDO_HEADER | 4)
    helpers.l3_csum_replace(ctx, IP_CHECKSUM, old, NEW, 4)
    port = ctx.packet(Port, at=UDP_TARGET)
    place = ctx.packet(Address, at=IP_TARGET)
    if port is None or place is None:
        return net.TC_ACT_SHOT
    port.value = htons(GIVEN)
    place.value = NEW
    return helpers.redirect(way_out.value, 0)


def checksum(data: bytes) -> int:
    """Return the sum of RFC 1071: 0 over what contains a right one."""
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def datagram(to: IPv4Address, port: int, text: bytes) -> bytes:
    """Return a frame whose checksums are right."""
    length = 8 + len(text)
    pseudo = CLIENT.packed + to.packed + struct.pack("!HH", 17, length)
    udp = struct.pack("!HHH", 5000, port, length)
    udp += struct.pack("!H", checksum(pseudo + udp + bytes(2) + text)) + text
    ip = struct.pack("!BBHHHBB", 0x45, 0, 20 + length, 0, 0, 64, 17)
    sums = struct.pack("!H", checksum(ip + bytes(2) + CLIENT.packed + to.packed))
    return b"\xff" * 6 + bytes(6) + b"\x08\0" + ip + sums + CLIENT.packed + to.packed + udp


def opened(device: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(net.ETH_P_IP))
    made.bind((device, net.ETH_P_IP))
    made.settimeout(10)
    return made


def test_tc_changes_address_and_port_and_sends_on() -> None:
    """It comes out of the other pair as if it had been sent to the other address, sums included."""

    def work() -> list[bytes]:
        pair("from0", "from1")
        pair("to0", "to1")
        with load(to_another, attach=False) as session, opened("from0") as sender:
            session[way_out].value = socket.if_nametoindex("to0")
            try:
                session.attach(to_another, device="from1")
            except NotSupportedError as error:
                pytest.skip(str(error))
            with opened("to1") as receiver:
                for number in range(SENT):
                    sender.send(datagram(SERVER, ASKED + number % 2, b"%d is a text" % number))
                got = [receiver.recv(2048) for _ in range((SENT + 1) // 2)]
                receiver.setblocking(False)
                with pytest.raises(BlockingIOError):
                    receiver.recv(2048)
            assert session[counts][0] == len(got)
            return got

    expected = [datagram(OTHER, GIVEN, b"%d is a text" % number) for number in range(0, SENT, 2)]
    assert in_own_network(work) == expected


@xdp
def turns(ctx: XdpContext) -> i32:
    frame = ctx.packet(net.Ethernet)
    if frame is None or frame.kind != net.ETH_P_IP:
        return net.XDP_PASS
    ip = ctx.packet(net.IPv4, at=IP)
    if ip is None or ip.protocol != net.IPPROTO_UDP:
        return net.XDP_PASS
    udp = ctx.packet(net.UDP, at=L4)
    if udp is None:
        return net.XDP_PASS
    if udp.target != ASKED:
        counts[1] += 1
        return net.XDP_DROP
    counts[0] += 1
    udp.source, udp.target = udp.target, udp.source
    ip.source, ip.target = ip.target, ip.source
    frame.source, frame.target = frame.target, frame.source
    return net.XDP_TX


@xdp
def passes(ctx: XdpContext) -> i32:
    return net.XDP_PASS


def test_xdp_answers_in_the_driver_and_drops_the_rest() -> None:
    """Each frame comes back turned round, and its sums are right as they were."""

    def work() -> None:
        pair("left", "right")
        with load(turns, passes, attach=False) as session, opened("left") as sender:
            # What a driver sends back is taken by a driver that has a program, too.
            session.attach(passes, device="left", mode="native")
            session.attach(turns, device="right", mode="native")
            for number in range(SENT):
                sender.send(datagram(SERVER, ASKED + number % 2, b"%d is a text" % number))
            for number in range(0, SENT, 2):
                answer = sender.recv(2048)
                assert (answer[:6], answer[6:12]) == (bytes(6), b"\xff" * 6)
                assert answer[26:34] == SERVER.packed + CLIENT.packed
                assert answer[34:38] == struct.pack("!HH", ASKED, 5000)
                assert answer[42:] == b"%d is a text" % number
                assert checksum(answer[14:34]) == 0
            assert list(session[counts].values()) == [(SENT + 1) // 2, SENT // 2]

    in_own_network(work)
