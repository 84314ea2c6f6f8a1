"""Programs that choose sockets, and programs at the sockets of a map."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyebpf import (
    Array,
    ReuseportSockArray,
    SkBuffContext,
    SkLookupContext,
    SkMsgContext,
    SkReuseportContext,
    SockHash,
    SockMap,
    SockOpsContext,
    i32,
    net,
    ntohl,
    sk_lookup,
    sk_msg,
    sk_reuseport,
    sk_skb,
    sock_ops,
    u32,
    u64,
)
from tests.kernel.namespaces import in_cgroup, in_own_network, own_cgroup
from tests.kinds.case import Steps, case

ACTIVE, PASSIVE = 4, 5  # BPF_SOCK_OPS_…_ESTABLISHED_CB of include/uapi/linux/bpf.h
INGRESS = 1  # BPF_F_INGRESS
REFUSED, OPEN = 4000, 4001

counts = Array[u64](max_entries=4)
group = ReuseportSockArray(max_entries=2)
receivers = SockMap(max_entries=2)
peers = SockHash[tuple[u32, u32]](max_entries=64)


@sk_lookup
def looks(ctx: SkLookupContext) -> i32:
    counts[0] += 1
    return net.SK_DROP if ctx.local_port == REFUSED else net.SK_PASS


@case("sk_lookup")
def a_socket_is_looked_for(steps: Steps) -> None:
    def work() -> None:
        with (
            steps.loaded(looks) as session,
            socket.create_server(("127.0.0.1", REFUSED)),
            socket.create_server(("127.0.0.1", OPEN)),
        ):
            link = steps.attach(session, looks, netns="/proc/thread-self/ns/net")
            told = [_connects(REFUSED), _connects(OPEN)]
            link.close()
            steps.fired([*told, _connects(REFUSED)], [False, True, True])

    in_own_network(work)


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    except ConnectionRefusedError:
        return False
    return True


@sk_reuseport
def chooses(ctx: SkReuseportContext) -> i32:
    counts[0] += 1
    if group.select(1 if ctx.len % 2 else 0):
        return net.SK_PASS
    return net.SK_DROP


@case("sk_reuseport")
def one_of_a_port(steps: Steps) -> None:
    with (
        steps.loaded(chooses) as session,
        _sharing(0, socket.SOCK_DGRAM) as even,
        _sharing(even.getsockname()[1], socket.SOCK_DGRAM) as odd,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        session[group][0], session[group][1] = even, odd
        steps.attach(session, chooses, socket=even)
        for length in range(1, 9):
            sender.sendto(bytes(length), even.getsockname())
        got = [[len(one.recv(99)) for _ in range(4)] for one in (even, odd)]
        steps.fired([*got, session[counts][0]], [[2, 4, 6, 8], [1, 3, 5, 7], 8])


@sk_reuseport(migrate=True)
def moves(ctx: SkReuseportContext) -> i32:
    moved = ctx.migrating_sk is not None
    counts[1 if moved else 0] += 1
    if group.select(1 if moved else 0):
        return net.SK_PASS
    return net.SK_DROP


@case("sk_reuseport_migrate")
def another_of_a_port(steps: Steps) -> None:
    with steps.loaded(moves) as session:
        first = _sharing(0, socket.SOCK_STREAM)
        port = first.getsockname()[1]
        with first, _sharing(port, socket.SOCK_STREAM) as second:
            session[group][0], session[group][1] = first, second
            steps.attach(session, moves, socket=second)
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                first.close()
                with second.accept()[0] as served:
                    served.sendall(b"moved")
                    got = client.recv(9)
        steps.fired([got, list(session[counts].values()[:2])], [b"moved", [1, 1]])


def _sharing(port: int, kind: socket.SocketKind) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("127.0.0.1", port))
    made.settimeout(10)
    if kind is socket.SOCK_STREAM:
        made.listen()
    return made


@contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give both ends of a connection through the loopback device."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=10) as client,
        server.accept()[0] as served,
    ):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        served.settimeout(10)
        yield client, served


@sk_skb("verdict")
def only_short(ctx: SkBuffContext) -> i32:
    counts[0] += ctx.len
    return receivers.redirect(1, INGRESS) if ctx.len < 9 else net.SK_DROP


@case("sk_skb_verdict")
def what_sockets_receive(steps: Steps) -> None:
    """What is short comes out of another connection, the rest nowhere."""
    with (
        steps.loaded(only_short) as session,
        connected() as (client, served),
        connected() as (_, other),
    ):
        steps.attach(session, only_short, sockets=receivers)
        session[receivers][0], session[receivers][1] = served, other
        client.sendall(b"xylophone")
        client.sendall(b"bell")
        steps.fired([other.recv(99), session[counts][0]], [b"bell", 13])


@sk_skb("parser")
def four_bytes_each(ctx: SkBuffContext) -> i32:
    counts[0] += 1
    return 4


@sk_skb("stream_verdict")
def but_the_second(ctx: SkBuffContext) -> i32:
    counts[1] += 1
    return receivers.redirect(1, INGRESS) if counts[1] != 2 else net.SK_DROP


@case("sk_skb_stream_verdict")
@case("sk_skb_parser")
def what_a_stream_says(steps: Steps) -> None:
    with (
        steps.loaded(four_bytes_each, but_the_second) as session,
        connected() as (client, served),
        connected() as (_, other),
    ):
        steps.attach(session, four_bytes_each, but_the_second, sockets=receivers)
        session[receivers][0], session[receivers][1] = served, other
        for number, text in enumerate((b"only", b"-two", b"nice"), 1):
            client.sendall(text)
            _wait(lambda number=number: session[counts][1] == number)
        got = other.recv(4) + other.recv(4)
        parsed, judged = session[counts].values()[:2]
        steps.fired([got, parsed, judged], [b"onlynice", 3, 3])


def _wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not done() and time.monotonic() < end:
        time.sleep(0.001)


@sock_ops
def collects(ctx: SockOpsContext) -> i32:
    if ctx.op == ACTIVE or ctx.op == PASSIVE:
        peers.add((ctx.local_port, ntohl(ctx.remote_port)))
        counts[0] += 1
    return 1


@sk_msg
def short_cut(ctx: SkMsgContext) -> i32:
    counts[1] += 1
    counts[2] += ctx.size
    return peers.redirect((ntohl(ctx.remote_port), ctx.local_port), INGRESS)


@case("sk_msg")
@case("sock_ops")
def messages_between_two_sockets(steps: Steps) -> None:
    """Both ends are of one cgroup; what one sends goes to the other without the network."""
    with own_cgroup() as own, steps.loaded(collects, short_cut) as session:
        session.attach(collects, cgroup=str(own))
        link = steps.attach(session, short_cut, sockets=peers)
        told = [in_cgroup(own, _talk), list(session[counts].values()[:3])]
        link.close()
        told += [in_cgroup(own, _talk), list(session[counts].values()[:3])]
        heard = ["one", "ONE", "three", "THREE", "five5", "FIVE5"]
        steps.fired(told, [heard, [2, 6, 26], heard, [4, 6, 26]])


def _talk() -> list[str]:
    heard = []
    with connected() as (client, served):
        for text in (b"one", b"three", b"five5"):
            client.sendall(text)
            heard.append(served.recv(9).decode())
            served.sendall(text.upper())
            heard.append(client.recv(9).decode())
    return heard
