"""BPF helpers of packets: they copy bytes in and out of the packet that a test gave."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.ir.interp.machine import Machine
    from pyebpf.ir.nodes import CallHelper


def _load_bytes(m: Machine, args: list[int], call: CallHelper) -> int:
    """Copy out of the packet; what is not there becomes zeros."""
    _, offset, target, size = args[:4]
    inside = offset >= 0 and offset + size <= m.packet.size
    data = bytes(m.packet.data[offset : offset + size]) if inside else bytes(size)
    m.memory.write(target, data, call)
    return 0 if inside else -errno.EFAULT


def _store_bytes(m: Machine, args: list[int], call: CallHelper) -> int:
    """Copy into the packet."""
    _, offset, source, size = args[:4]
    if offset < 0 or offset + size > m.packet.size:
        return -errno.EFAULT
    m.memory.write(m.packet.base + offset, m.memory.read(source, size, call), call)
    return 0


def _pull_data(m: Machine, args: list[int], call: CallHelper) -> int:  # noqa: ARG001
    """All of the packet can be accessed always."""
    return 0 if args[1] <= m.packet.size else -errno.ENOMEM


def _length(m: Machine, args: list[int], call: CallHelper) -> int:  # noqa: ARG001
    return m.packet.size


def _csum_diff(m: Machine, args: list[int], call: CallHelper) -> int:
    """Return a checksum after some bytes left and others came."""
    source, source_size, target, target_size, seed = args
    total = seed & 0xFFFF_FFFF
    for address, size, sign in ((source, source_size, True), (target, target_size, False)):
        data = m.memory.read(address, size, call) if size else b""
        for at in range(0, size, 4):
            word = int.from_bytes(data[at : at + 4], "little")
            total += word ^ 0xFFFF_FFFF if sign else word
    while total >> 32:
        total = (total & 0xFFFF_FFFF) + (total >> 32)
    return total


PACKETS: dict[str, Callable[[Machine, list[int], CallHelper], int]] = {
    "skb_load_bytes": _load_bytes,
    "xdp_load_bytes": _load_bytes,
    "skb_store_bytes": _store_bytes,
    "xdp_store_bytes": _store_bytes,
    "skb_pull_data": _pull_data,
    "xdp_get_buff_len": _length,
    "csum_diff": _csum_diff,
}
