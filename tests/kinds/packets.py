"""Programs at packets that are attached by other means than a device's links, and at sockets."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv6Address

from pyebpf import (
    Array,
    NetfilterContext,
    SkBuffContext,
    flow_dissector,
    i32,
    lwt,
    net,
    netfilter,
    socket_filter,
    tc_action,
    u32,
    u64,
)
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.dsl.probes import Probe
from tests.kernel.namespaces import in_own_network, pair
from tests.kinds.case import Steps, case
from tests.kinds.routes import routed, segment

PORT = 4000

counts = Array[u64](max_entries=4)


def datagram(port: int) -> bytes:
    """Return a frame with a datagram to a port, on its way through the loopback device."""
    ip = struct.pack("!BBHHHBBHII", 0x45, 0, 28, 0, 0, 64, 17, 0, 0x7F000001, 0x7F000001)
    return b"\2" * 12 + b"\x08\0" + ip + struct.pack("!HHHH", 4001, port, 8, 0) + bytes(30)


@socket_filter
def only_long(ctx: SkBuffContext) -> u32:
    counts[0] += 1
    return ctx.len if ctx.len > 8 + 2 else 0


@case("socket_filter")
def a_socket(steps: Steps) -> None:
    with steps.loaded(only_long) as session, _receiver() as receiver:
        link = steps.attach(session, only_long, socket=receiver)
        _send(receiver, b"a", b"bb", b"ccc", b"d", b"eeee")
        kept = [receiver.recv(9), receiver.recv(9)]
        link.close()
        _send(receiver, b"f")
        got = [*kept, receiver.recv(9), session[counts][0]]
        steps.fired(got, [b"ccc", b"eeee", b"f", 5])


def _receiver() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(10)
    return made


def _send(receiver: socket.socket, *texts: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for text in texts:
            sender.sendto(text, receiver.getsockname())


def check_called(steps: Steps, probe: Probe, expected: int, length: int) -> None:
    """Run a program that pyebpf does not attach on a packet of our own."""
    with steps.loaded(probe) as session:
        steps.without = PROGRAM_KINDS[probe.hooks[0].kind].reason or "pyebpf does not attach it"
        ran = session.test_run(probe, data=datagram(PORT))
        steps.fired([ran.result, session[counts][0]], [expected, length])


@tc_action
def acts(ctx: SkBuffContext) -> i32:
    counts[0] += ctx.len
    return net.TC_ACT_SHOT


@lwt("in")
def comes(ctx: SkBuffContext) -> i32:
    counts[0] += ctx.len
    return 2


@lwt("out")
def goes(ctx: SkBuffContext) -> i32:
    counts[0] += ctx.len
    return 2


@lwt("xmit")
def is_sent(ctx: SkBuffContext) -> i32:
    counts[0] += ctx.len
    return 2


@lwt("seg6local")
def is_routed(ctx: SkBuffContext) -> i32:
    counts[0] += ctx.len
    return 2


@netfilter("local_in")
def drops(ctx: NetfilterContext) -> i32:
    counts[0] += ctx.skb.len
    return 0


FRAME = len(datagram(PORT))
PACKET = FRAME - net.ETHERNET_LENGTH


@case("tc_action")
def an_action(steps: Steps) -> None:
    check_called(steps, acts, net.TC_ACT_SHOT, FRAME)


@case("lwt_in")
def a_route_in(steps: Steps) -> None:
    check_called(steps, comes, 2, PACKET)


@case("lwt_out")
def a_route_out(steps: Steps) -> None:
    check_called(steps, goes, 2, PACKET)


@case("lwt_xmit")
def a_route_at_its_end(steps: Steps) -> None:
    check_called(steps, is_sent, 2, PACKET)


@case("lwt_seg6local")
def a_segment(steps: Steps) -> None:
    """The kernel has no test run for it: a route of ours is made, and frames are sent there."""
    through, to = IPv6Address("fc00::1"), IPv6Address("fc00::2")

    def work() -> None:
        pair("pair0", "pair1")
        with (
            steps.loaded(is_routed) as session,
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw,
        ):
            segment(through, "pair0", session._program_fd(is_routed))
            steps.reached.append("attached")
            raw.bind(("pair1", net.ETH_P_IPV6))
            frame = routed(through, to)
            for _ in range(3):
                raw.send(frame)
            steps.fired(session[counts][0], 3 * (len(frame) - net.ETHERNET_LENGTH))

    in_own_network(work)


@case("netfilter")
def a_hook_of_the_firewall(steps: Steps) -> None:
    def work() -> None:
        with steps.loaded(drops) as session, _receiver() as receiver:
            link = steps.attach(session, drops)
            _send(receiver, b"a", b"bb")
            link.close()
            _send(receiver, b"ccc")
            steps.fired([receiver.recv(9), session[counts][0]], [b"ccc", 2 * 28 + 3])

    in_own_network(work)


@flow_dissector
def dissects(ctx: SkBuffContext) -> i32:
    counts[0] += 1
    return 0


@case("flow_dissector")
def the_parser_of_a_network(steps: Steps) -> None:
    """A frame without a protocol makes the kernel look for its headers."""

    def work() -> None:
        with (
            steps.loaded(dissects) as session,
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw,
        ):
            link = steps.attach(session, dissects, netns="/proc/thread-self/ns/net")
            raw.bind(("lo", 0))
            frame = datagram(PORT)
            for _ in range(3):
                raw.send(frame)
            link.close()
            raw.send(frame)
            steps.fired(session[counts][0], 3)

    in_own_network(work)
