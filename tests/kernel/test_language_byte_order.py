"""The order of bytes, in the kernel and in Python."""

from __future__ import annotations

import socket

import pytest

from pyebpf import (
    Array,
    RawTracepointContext,
    cast,
    htonl,
    htonll,
    htons,
    ntohl,
    ntohll,
    ntohs,
    raw_tracepoint,
    u16,
    u32,
    u64,
)
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel

results = Array[u64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> int:
    n = ctx.args[0]
    results[0] = ntohs(cast(u16, n))
    results[1] = ntohl(cast(u32, n))
    results[2] = ntohll(n)
    results[3] = socket.htons(cast(u16, n)) + socket.ntohl(cast(u32, n))
    results[4] = htons(80) + htonl(0x7F000001)
    results[5] = htonll(n + 0)
    return 1


@pytest.mark.thorough
@pytest.mark.parametrize("n", [0, 1, 0x1234, 0x12345678, 0x8182838485868788, (1 << 64) - 1])
def test_bytes_are_exchanged_as_in_python(n: int) -> None:
    low, half = n & 0xFFFF, n & 0xFFFFFFFF
    with loaded(probe) as session:
        assert fire(session, probe, n) == 1
        assert session[results].view()[:6].tolist() == [
            socket.ntohs(low),
            socket.ntohl(half),
            ntohll(n),
            socket.htons(low) + socket.ntohl(half),
            socket.htons(80) + socket.htonl(0x7F000001),
            int.from_bytes(n.to_bytes(8, "little"), "big"),
        ]


def test_a_number_that_does_not_fit_is_an_error_outside_too() -> None:
    with pytest.raises(OverflowError):
        ntohs(1 << 16)
