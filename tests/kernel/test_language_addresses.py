"""Bytes and IP addresses, in the kernel and in Python."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address

import pytest

from pyebpf import (
    Bytes,
    Hash,
    Ptr,
    RawTracepointContext,
    cast,
    ipv4,
    ipv6,
    octets,
    raw_tracepoint,
    record,
    u32,
    u64,
)
from pyebpf.kernel import sock
from pyebpf.runtime.features import KernelFeatures
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel

LOCALHOST, OTHER = IPv4Address("127.0.0.1"), IPv4Address("10.1.2.3")
LOOPBACK = IPv6Address("::1")
MAC = b"\x02\0\0\0\0\x01"


@record
class Flow:
    kind: u32
    v4: IPv4Address
    v6: IPv6Address
    mac: Bytes = octets(6)
    raw: Bytes = octets(16)


flows = Hash[u32, Flow](max_entries=4)
by_address = Hash[IPv4Address, u64](max_entries=16)
by_both = Hash[tuple[IPv6Address, u32], u64](max_entries=16)
answers = Hash[u32, u64](max_entries=4)


def compare(flow: Flow) -> u64:
    """Return a bit for every comparison that holds."""
    bits = 0
    if flow.v4 == LOCALHOST:
        bits |= 1
    if flow.v4 in (OTHER, IPv4Address("1.2.3.4")):
        bits |= 2
    if flow.v6 != LOOPBACK:
        bits |= 4
    if flow.mac == MAC:
        bits |= 8
    if flow.mac[:3] == b"\x02\0\0":
        bits |= 16
    if flow.mac[-1] == 1:
        bits |= 32
    if flow.raw[2:8] == flow.mac:
        bits |= 64
    if flow.mac == b"\x02":
        bits |= 128
    if sum(flow.mac) > len(flow.mac):
        bits |= 256
    if LOCALHOST != OTHER and MAC[1] == 0:
        bits |= 512
    if flow.mac.startswith(b"\x02\0") or flow.mac.endswith(b"\xff\xff"):
        bits |= 1024
    return bits


def one_of(flow: Flow) -> u64:
    """Return a bit for every beginning or end that is among some."""
    bits = 0
    if flow.mac.startswith((b"\x03", b"\x02\0", b"longer than it is")):
        bits |= 1
    if flow.raw[2:8].endswith((MAC[3:], b"\x0c", b"\xff\xff")):
        bits |= 2
    if MAC.startswith((b"\x03", b"\x02")) and not MAC.endswith((b"\x03", b"\x02")):
        bits |= 4
    return bits


@raw_tracepoint("sys_enter")
def look(ctx: RawTracepointContext) -> int:
    flow = flows.get(1)
    if flow is not None:
        answers[1] = compare(flow)
        answers[2] = one_of(flow)
        addr = flow.v4
        by_address[addr] += 1
        by_both[flow.v6, 7] += 1
        flows[2] = Flow(v4=addr, v6=ipv6(flow.raw), mac=flow.raw[:6], raw=flow.raw)
        flows[3] = Flow(v4=ipv4(cast(u32, ctx.args[0])), v6=LOOPBACK, mac=MAC)
    return 1


@raw_tracepoint("sys_enter")
def show(ctx: RawTracepointContext) -> int:
    flow = flows.get(1)
    if flow is not None:
        print(f"{flow.v4} {flow.v6!s:>40} {flow.mac} {flow.v4!r} {flow.v4:x} {LOCALHOST}")
    return 1


@raw_tracepoint("sys_enter")
def read(ctx: RawTracepointContext) -> int:
    sk = cast(Ptr[sock], ctx.args[0])  # a bad address: what cannot be read is 0
    flows[1] = Flow(v6=ipv6(sk.__sk_common.skc_v6_daddr), v4=ipv4(sk.__sk_common.skc_daddr))
    return 1


@raw_tracepoint("sys_enter")
def walk(ctx: RawTracepointContext) -> int:
    for address in by_address:
        if address != LOCALHOST:
            by_address[address] += 10
    return 1


@pytest.mark.skipif(
    not KernelFeatures().has("helper:for_each_map_elem"),
    reason="no bpf_for_each_map_elem (Linux 5.13)",
)
def test_a_loop_over_addresses_sees_each() -> None:
    with loaded(walk) as session:
        for address in (LOCALHOST, OTHER):
            session[by_address][address] = 1
        assert fire(session, walk) == 1
        assert dict(session[by_address].items()) == {LOCALHOST: 1, OTHER: 11}


CASES = [
    (LOCALHOST, LOOPBACK, MAC, bytes(16)),
    (OTHER, IPv6Address("2001:db8::7"), bytes(6), b"\0\0" + MAC + bytes(8)),
    (IPv4Address("1.2.3.4"), IPv6Address("::"), b"\x02\0\0\xff\0\0", bytes(range(16))),
    (IPv4Address(0), LOOPBACK, b"\0\0\0\0\0\x01", b"\xff" * 16),
    (IPv4Address("255.255.255.255"), LOOPBACK, b"\xff" * 6, b"\0\0" + b"\xff" * 14),
]


class Value:
    """A record as Python has it."""

    def __init__(self, case: tuple[IPv4Address, IPv6Address, bytes, bytes]) -> None:
        self.kind = 0
        self.v4, self.v6, self.mac, self.raw = case


@pytest.mark.thorough
@pytest.mark.parametrize("case", CASES)
def test_addresses_and_bytes_are_as_in_python(
    case: tuple[IPv4Address, IPv6Address, bytes, bytes],
) -> None:
    value = Value(case)
    with loaded(look) as session:
        session[flows][1] = value
        number = int.from_bytes(socket.inet_aton("192.168.7.9"), "little")
        assert fire(session, look, number) == 1
        assert session[answers][1] == compare(value)  # type: ignore[arg-type]
        assert session[answers][2] == one_of(value)  # type: ignore[arg-type]
        assert session[by_address][value.v4] == 1
        assert dict(session[by_both].items()) == {(value.v6, 7): 1}
        second, third = session[flows][2], session[flows][3]
        parts = value.v4, IPv6Address(value.raw), value.raw[:6], value.raw
        assert (second.v4, second.v6, second.mac, second.raw) == parts
        made = IPv4Address("192.168.7.9"), LOOPBACK, MAC, bytes(16)
        assert (third.v4, third.v6, third.mac, third.raw) == made


def test_addresses_are_printed_as_python_writes_them() -> None:
    value = Value(CASES[1])
    with loaded(show) as session:
        session[flows][1] = value
        assert fire(session, show) == 1
        found = list(session.lines(0))
    shown = f"{value.v4} {value.v6!s:>40} {value.mac} {value.v4!r} {value.v4:x} {LOCALHOST}"
    assert found == [shown + "\n"]


def test_an_address_is_read_from_a_kernel_object() -> None:
    with loaded(read) as session:
        assert fire(session, read, 0) == 1
        assert session[flows][1].v6 == IPv6Address("::")
