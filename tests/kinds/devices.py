"""Programs at network devices: they drop, change and send on exactly the packets of a test.

Each case has a network namespace of its own: nothing else is there, so every count is exact.
"""

from __future__ import annotations

import socket

from pyebpf import (
    Array,
    CpuMap,
    DevMap,
    Global,
    SkBuffContext,
    XdpContext,
    i32,
    net,
    record,
    tc,
    u8,
    u64,
    xdp,
)
from pyebpf.dsl.probes import Probe
from tests.kernel.namespaces import in_own_network, pair
from tests.kinds.case import Steps, case

#: How many, and the length of one more, which comes last and is even.
SENT, LAST = 23, 64
#: What the programs add up: header and data of each datagram.
OCTETS = sum(8 + length for length in (*range(1, SENT + 1), LAST))
#: ``ETH_P_802_EX1`` of ``include/uapi/linux/if_ether.h``, for frames that nothing else sends.
EXPERIMENT = 0x88B5
UNMARKED = bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xB5]) + b"text" * 12
MARKED = bytes([*UNMARKED[:11], 7, *UNMARKED[12:]])


@record
class Letter:
    value: u8


counts = Array[u64](max_entries=4)
to_device = Global[u64](0)
devices = DevMap(max_entries=2, programs=True)
workers = CpuMap(max_entries=2, programs=True)


@xdp
def drops_odd(ctx: XdpContext) -> i32:
    udp = ctx.packet(net.UDP, at=net.ETHERNET_LENGTH + 20)
    if udp is None:
        return net.XDP_PASS
    counts[0] += 1
    counts[1] += udp.length
    return net.XDP_DROP if udp.length % 2 else net.XDP_PASS


@xdp(frags=True)
def drops_odd_in_pieces(ctx: XdpContext) -> i32:
    udp = ctx.packet(net.UDP, at=net.ETHERNET_LENGTH + 20)
    if udp is None:
        return net.XDP_PASS
    counts[0] += 1
    counts[1] += udp.length
    return net.XDP_DROP if udp.length % 2 else net.XDP_PASS


def lengths(receiver: socket.socket) -> list[int]:
    """Send datagrams of 1, 2, 3, … bytes to a socket; return the lengths of those that came."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for length in (*range(1, SENT + 1), LAST):
            sender.sendto(bytes(length), receiver.getsockname())
    came = []
    while (length := len(receiver.recv(LAST))) != LAST:
        came.append(length)
    return came


def receiving() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(10)
    return made


def check(steps: Steps, probe: Probe, **at: str) -> None:
    """See that a program counts each datagram and drops the odd ones, until it is detached."""

    def work() -> None:
        with steps.loaded(probe) as session, receiving() as receiver:
            link = steps.attach(session, probe, device="lo", **at)
            through = lengths(receiver)
            link.close()
            afterwards = lengths(receiver)
            got = [through, afterwards, list(session[counts].values()[:2])]
            all_of_them = list(range(1, SENT + 1))
            steps.fired(got, [all_of_them[1::2], all_of_them, [SENT + 1, OCTETS]])

    in_own_network(work)


@case("xdp")
def a_device(steps: Steps) -> None:
    check(steps, drops_odd, mode="generic")


@case("xdp.frags")
def a_device_with_large_packets(steps: Steps) -> None:
    check(steps, drops_odd_in_pieces, mode="generic")


@tc("ingress")
def comes_in(ctx: SkBuffContext) -> i32:
    udp = ctx.packet(net.UDP, at=net.ETHERNET_LENGTH + 20)
    if udp is None:
        return net.TC_ACT_UNSPEC
    counts[0] += 1
    counts[1] += udp.length
    return net.TC_ACT_SHOT if udp.length % 2 else net.TC_ACT_OK


@tc("egress")
def goes_out(ctx: SkBuffContext) -> i32:
    udp = ctx.packet(net.UDP, at=net.ETHERNET_LENGTH + 20)
    if udp is None:
        return net.TC_ACT_UNSPEC
    counts[0] += 1
    counts[1] += udp.length
    return net.TC_ACT_SHOT if udp.length % 2 else net.TC_ACT_OK


@tc
def passes(ctx: SkBuffContext) -> i32:
    udp = ctx.packet(net.UDP, at=net.ETHERNET_LENGTH + 20)
    if udp is None:
        return net.TC_ACT_UNSPEC
    counts[0] += 1
    counts[1] += udp.length
    return net.TC_ACT_SHOT if udp.length % 2 else net.TC_ACT_OK


@case("tcx_ingress", "prog:tc", old_way=True)
def where_packets_come_in(steps: Steps) -> None:
    check(steps, comes_in)


@case("tcx_egress", "prog:tc", old_way=True)
def where_packets_go_out(steps: Steps) -> None:
    check(steps, goes_out)


@case("tc")
def where_it_is_attached(steps: Steps) -> None:
    check(steps, passes, way="ingress")


@xdp
def sends_on(ctx: XdpContext) -> i32:
    frame = ctx.packet(net.Ethernet)
    if frame is None or frame.kind != EXPERIMENT:
        return net.XDP_PASS
    return devices.redirect(0) if to_device.value else workers.redirect(0)


@xdp(frags=True)
def sends_pieces_on(ctx: XdpContext) -> i32:
    frame = ctx.packet(net.Ethernet)
    if frame is None or frame.kind != EXPERIMENT:
        return net.XDP_PASS
    return devices.redirect(0) if to_device.value else workers.redirect(0)


@xdp
def lets_pass(ctx: XdpContext) -> i32:
    return net.XDP_PASS


def marking(entry_of: str, frags: bool) -> Probe:
    @xdp(entry_of=entry_of, frags=frags)
    def marks(ctx: XdpContext) -> i32:
        frame = ctx.packet(net.Ethernet)
        if frame is not None and frame.kind == EXPERIMENT:
            last = ctx.packet(Letter, at=11)
            if last is not None:
                counts[0] += 1
                last.value = 7
        return net.XDP_PASS

    return marks


def check_entry(steps: Steps, entry_of: str, frags: bool) -> None:
    """Send frames into one pair of devices; they come out of another, or of a CPU, marked."""
    sends, marks = sends_pieces_on if frags else sends_on, marking(entry_of, frags)

    def work() -> None:
        pair("pair0", "pair1")
        pair("pair2", "pair3")
        with steps.loaded(sends, marks, lets_pass) as session:
            session[to_device].value = int(entry_of == "devmap")
            if entry_of == "devmap":
                session[devices][0] = ("pair2", marks)
            else:
                session[workers][0] = (64, marks)
            steps.reached.append("attached")
            session.attach(sends, device="pair1")
            session.attach(lets_pass, device="pair3")
            came = _frames("pair0", "pair3" if entry_of == "devmap" else "pair1")
            steps.fired([came, session[counts][0]], [[MARKED] * SENT, SENT])

    in_own_network(work)


def _frames(into: str, out_of: str) -> list[bytes]:
    with _raw(into) as sender, _raw(out_of) as receiver:
        receiver.settimeout(10)
        for _ in range(SENT):
            sender.send(UNMARKED)
        return [receiver.recv(len(UNMARKED)) for _ in range(SENT)]


def _raw(device: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EXPERIMENT))
    made.bind((device, EXPERIMENT))
    return made


@case("xdp_devmap")
def an_entry_of_a_devmap(steps: Steps) -> None:
    check_entry(steps, "devmap", frags=False)


@case("xdp_devmap.frags")
def an_entry_for_large_packets(steps: Steps) -> None:
    check_entry(steps, "devmap", frags=True)


@case("xdp_cpumap")
def an_entry_of_a_cpumap(steps: Steps) -> None:
    check_entry(steps, "cpumap", frags=False)


@case("xdp_cpumap.frags")
def an_entry_for_large_packets_of_a_cpu(steps: Steps) -> None:
    check_entry(steps, "cpumap", frags=True)
