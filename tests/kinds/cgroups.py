"""Programs for the processes of a cgroup: a child joins one, outside nothing is changed."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pyebpf import (
    Array,
    DeviceContext,
    SkBuffContext,
    SockContext,
    SockoptContext,
    SysctlContext,
    cgroup_device,
    cgroup_skb,
    cgroup_sock,
    cgroup_sockopt,
    cgroup_sysctl,
    i32,
    record,
    u32,
    u64,
)
from pyebpf.dsl.probes import Probe
from tests.kernel.namespaces import in_cgroup, in_own_network, own_cgroup
from tests.kinds.case import Steps, case

LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
REFUSED, OPEN = 4000, 4001
LENGTHS, LAST = range(1, 10), 64
STREAM = int(socket.SOCK_STREAM)

counts = Array[u64](max_entries=4)


@record
class Word:
    value: u32


def check(
    steps: Steps, probe: Probe, work: Callable[[], Any], expected: Any, count: int, **at: str
) -> None:
    """Compare what a child in the cgroup says of its work, and how often the program ran.

    Afterwards, when the program is gone, and meanwhile outside, it does not run.
    """

    def inside() -> None:
        with own_cgroup() as group, steps.loaded(probe) as session:
            link = steps.attach(session, probe, cgroup=str(group), **at)
            work()
            told = [in_cgroup(group, work), session[counts][0]]
            link.close()
            in_cgroup(group, work)
            steps.fired([*told, session[counts][0]], [expected, count, count])

    in_own_network(inside)


def way(direction: str) -> Probe:
    @cgroup_skb(direction)
    def even_only(ctx: SkBuffContext) -> i32:
        counts[0] += 1
        return 0 if ctx.len % 2 else 1

    return even_only


def datagrams() -> list[int]:
    """Send datagrams to a socket of the same cgroup; return the lengths of those that came."""
    came: list[int] = []
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        for length in (*LENGTHS, LAST):
            with suppress(PermissionError):
                sender.sendto(bytes(length), receiver.getsockname())
        while (length := len(receiver.recv(99))) != LAST:
            came.append(length)
    return came


EVEN = [length for length in LENGTHS if length % 2 == 0]


@case("cgroup_skb_ingress")
def packets_that_come(steps: Steps) -> None:
    check(steps, way("ingress"), datagrams, EVEN, len(LENGTHS) + 1)


@case("cgroup_skb_egress")
def packets_that_go(steps: Steps) -> None:
    check(steps, way("egress"), datagrams, EVEN, len(LENGTHS) + 1)


@case("cgroup_skb")
def packets_that_pass(steps: Steps) -> None:
    check(steps, way(""), datagrams, EVEN, len(LENGTHS) + 1, way="ingress")


@cgroup_sock("sock_create")
def streams_only(ctx: SockContext) -> i32:
    counts[0] += 1
    return 1 if ctx.type == STREAM else 0


def sockets() -> list[str]:
    return [_tried(lambda kind=kind: socket.socket(socket.AF_INET, kind).close())
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]  # fmt: skip


def _tried(work: Callable[[], object]) -> str:
    try:
        work()
    except PermissionError:
        return "refused"
    return "done"


@case("cgroup_sock_create")
def a_socket_is_made(steps: Steps) -> None:
    check(steps, streams_only, sockets, ["done", "refused"], 2)


@cgroup_sock("sock_release")
def closed(ctx: SockContext) -> i32:
    counts[0] += 1
    return 1


@case("cgroup_sock_release")
def a_socket_is_closed(steps: Steps) -> None:
    check(steps, closed, sockets, ["done", "done"], 2)


def after_bind(event: str) -> Probe:
    @cgroup_sock(event)
    def bound(ctx: SockContext) -> i32:
        counts[0] += 1
        return 0 if ctx.src_port == REFUSED else 1

    return bound


def binds(family: socket.AddressFamily) -> Callable[[], list[str]]:
    def bind(port: int) -> None:
        with socket.socket(family, socket.SOCK_STREAM) as made:
            made.bind((LOOPBACK[family], port))

    return lambda: [_tried(lambda port=port: bind(port)) for port in (REFUSED, OPEN)]


@case("cgroup_post_bind4")
def a_socket_is_bound(steps: Steps) -> None:
    check(steps, after_bind("post_bind4"), binds(socket.AF_INET), ["refused", "done"], 2)


@case("cgroup_post_bind6")
def a_socket_is_bound_to_ipv6(steps: Steps) -> None:
    check(steps, after_bind("post_bind6"), binds(socket.AF_INET6), ["refused", "done"], 2)


@cgroup_sysctl
def two_reads(ctx: SysctlContext) -> i32:
    counts[0] += 1
    return 1 if ctx.write == 0 and counts[0] <= 2 else 0


def settings() -> list[str]:
    def read() -> None:
        fd = os.open("/proc/sys/kernel/ostype", os.O_RDONLY)
        try:
            os.read(fd, 64)
        finally:
            os.close(fd)

    return [_tried(read) for _ in range(3)]


@case("cgroup_sysctl")
def a_setting(steps: Steps) -> None:
    check(steps, two_reads, settings, ["done", "done", "refused"], 3)


@cgroup_sockopt("get")
def another_answer(ctx: SockoptContext) -> i32:
    value = ctx.packet(Word)
    if value is not None and ctx.optname == socket.SO_PRIORITY:
        counts[0] += 1
        value.value += 40
    return 1


@cgroup_sockopt("set")
def another_value(ctx: SockoptContext) -> i32:
    value = ctx.packet(Word)
    if value is not None and ctx.optname == socket.SO_PRIORITY:
        counts[0] += 1
        value.value += 3
    return 1


def option() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 2)
        return made.getsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY)


@case("cgroup_getsockopt")
def an_option_is_read(steps: Steps) -> None:
    check(steps, another_answer, option, 42, 1)


@case("cgroup_setsockopt")
def an_option_is_set(steps: Steps) -> None:
    check(steps, another_value, option, 5, 1)


@cgroup_device
def not_zero(ctx: DeviceContext) -> i32:
    counts[0] += 1
    return 0 if ctx.major == 1 and ctx.minor == 5 else 1


def devices() -> list[str]:
    return [_tried(lambda path=path: os.close(os.open(path, os.O_RDONLY)))
            for path in ("/dev/null", "/dev/zero")]  # fmt: skip


@case("cgroup_dev")
def a_device_file(steps: Steps) -> None:
    check(steps, not_zero, devices, ["done", "refused"], 2)
