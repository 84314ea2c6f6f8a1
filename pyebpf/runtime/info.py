"""What the kernel says about an open map, program, BTF blob or link."""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import Any

from pyebpf.abi import attr as layout
from pyebpf.abi import constants as c
from pyebpf.errors import KernelError
from pyebpf.plain import Frozen
from pyebpf.runtime import call
from pyebpf.runtime.refusal import refusal


class MapInfo(Frozen):
    """``struct bpf_map_info``. Sizes in bytes."""

    id: int
    type: int
    name: str
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    btf_id: int
    btf_key_type_id: int
    btf_value_type_id: int
    extra: int


class ProgInfo(Frozen):
    """``struct bpf_prog_info``.

    ``jited_len`` and ``xlated_len`` are bytes of machine code and of rewritten BPF;
    ``run_time_ns`` and ``run_cnt`` stay 0 unless statistics are on
    (:func:`pyebpf.runtime.syscall.enable_stats`).
    """

    id: int
    type: int
    name: str
    tag: bytes
    jited_len: int
    xlated_len: int
    load_time_ns: int
    created_by_uid: int
    map_ids: tuple[int, ...]
    gpl_compatible: bool
    btf_id: int
    run_time_ns: int
    run_cnt: int
    recursion_misses: int
    verified_insns: int
    attach_btf_obj_id: int
    attach_btf_id: int


class RunStats(Frozen):
    """What the kernel has counted of a program since it was loaded.

    Attributes:
        runs, time_ns: how often it ran, and how long in all, while statistics were on
            (:func:`pyebpf.runtime.syscall.enable_stats`).
        misses: how often it was passed over because it, or another, ran already on this CPU; None
            where the kernel does not count that, before Linux 5.12.
    """

    runs: int
    time_ns: int
    misses: int | None


class BtfInfo(Frozen):
    """``struct bpf_btf_info``. ``size`` in bytes; ``kernel`` for vmlinux and modules.

    ``name`` is None where the kernel knows no names of BTF, before Linux 5.11.
    """

    id: int
    name: str | None
    size: int
    kernel: bool


class LinkInfo(Frozen):
    """The common part of ``struct bpf_link_info``; ``detail`` is the rest, by ``type``."""

    id: int
    type: int
    prog_id: int
    detail: bytes


#: Where ``run_time_ns`` of ``struct bpf_prog_info`` is; the other two numbers follow.
_RUN_STATS, _MISSES_END = 192, 216
#: Where ``nr_jited_ksyms`` of ``struct bpf_prog_info`` is; the numbers and addresses follow.
_JITED_COUNTS = 104


def map_info(fd: int) -> MapInfo:
    """Describe the map open at ``fd``; raises :class:`KernelError`."""
    data = _info(fd, bytearray(layout.MAP_INFO.size), "map")
    kind, ident, key, value, entries, flags, name, *rest = layout.MAP_INFO.unpack(data)
    return MapInfo(ident, kind, _text(name), key, value, entries, flags, *rest[4:])


def prog_info(fd: int) -> ProgInfo:
    """Describe the program open at ``fd``; raises :class:`KernelError`.

    Cost: two system calls, because the number of its maps must be known first.
    """
    count = _prog(fd)[9]
    ids, address = call.buffer(4 * count)
    row = _prog(fd, nr_map_ids=count, map_ids=address) if count else _prog(fd)
    shown = min(count, row[9])
    return ProgInfo(
        id=row[1], type=row[0], name=_text(row[11]), tag=row[2], jited_len=row[3],
        xlated_len=row[4], load_time_ns=row[7], created_by_uid=row[8],
        map_ids=struct.unpack_from(f"={shown}I", ids), gpl_compatible=bool(row[13] & 1),
        btf_id=row[20], run_time_ns=row[-6], run_cnt=row[-5], recursion_misses=row[-4],
        verified_insns=row[-3], attach_btf_obj_id=row[-2], attach_btf_id=row[-1],
    )  # fmt: skip


def run_stats(fd: int) -> RunStats:
    """Return how often the program open at ``fd`` has run, and how long; one system call."""
    data = bytearray(layout.PROG_INFO.size)
    known = _ask(fd, data, "program")
    time_ns, runs, misses = struct.unpack_from("=3Q", data, _RUN_STATS)
    return RunStats(runs, time_ns, misses if known >= _MISSES_END else None)


def prog_xlated(fd: int) -> bytes:
    """Return the instructions as the verifier rewrote them; empty if the kernel hides them."""
    size = _prog(fd)[4]
    memory, address = call.buffer(size)
    row = _prog(fd, xlated_len=size, xlated=address)
    return bytes(memory)[: row[4]] if row[6] else b""


def prog_code(fd: int) -> list[tuple[int, int]]:
    """Return the address and the length of each function's machine code.

    Empty if the kernel hides them, or interprets the program.
    """
    size = layout.PROG_INFO.size
    empty = _info(fd, bytearray(size), "program")
    counts = struct.unpack_from("=2I", empty, _JITED_COUNTS)
    starts, starts_at = call.buffer(8 * counts[0])
    lengths, lengths_at = call.buffer(4 * counts[1])
    data = bytearray(size)
    struct.pack_into("=2I2Q", data, _JITED_COUNTS, *counts, starts_at, lengths_at)
    told = struct.unpack_from("=2I2Q", _info(fd, data, "program"), _JITED_COUNTS)
    shown = min(counts[0], counts[1], told[0], told[1]) if all(told) else 0
    rows = zip(
        struct.unpack_from(f"={shown}Q", starts),
        struct.unpack_from(f"={shown}I", lengths),
        strict=True,
    )
    return [row for row in rows if row[0]]


def btf_info(fd: int) -> BtfInfo:
    """Describe the BTF blob open at ``fd``; raises :class:`KernelError`."""
    memory, address = call.buffer(64)
    name: str | None = None
    data = bytearray(layout.BTF_INFO.pack(0, 0, 0, address, 64, 0))
    try:
        _info(fd, data, "BTF")
        name = _text(memory.raw)
    except KernelError as error:
        if error.errno != errno.E2BIG:
            raise
        # A kernel that knows no names takes no address for one.
        data = _info(fd, bytearray(layout.BTF_INFO.size), "BTF")
    _, size, ident, _, _, kernel = layout.BTF_INFO.unpack(data)
    return BtfInfo(ident, name, size, bool(kernel))


def btf_data(fd: int) -> bytes:
    """Return the bytes of the BTF blob open at ``fd``; raises :class:`KernelError`."""
    size = btf_info(fd).size
    memory, address = call.buffer(size)
    _info(fd, bytearray(layout.BTF_INFO.pack(address, size, 0, 0, 0, 0)), "BTF")
    return bytes(memory)[:size]


def link_info(fd: int) -> LinkInfo:
    """Describe the link open at ``fd``; raises :class:`KernelError`."""
    data = _info(fd, bytearray(layout.LINK_INFO_SIZE), "link")
    kind, ident, prog_id = layout.LINK_INFO.unpack_from(data)
    return LinkInfo(ident, kind, prog_id, bytes(data[16:]))


def _prog(
    fd: int, *, nr_map_ids: int = 0, map_ids: int = 0, xlated_len: int = 0, xlated: int = 0
) -> tuple[Any, ...]:
    data = bytearray(layout.PROG_INFO.size)
    struct.pack_into("=I", data, 20, xlated_len)
    struct.pack_into("=Q", data, 32, xlated)
    struct.pack_into("=I", data, 52, nr_map_ids)
    struct.pack_into("=Q", data, 56, map_ids)
    return layout.PROG_INFO.unpack(_info(fd, data, "program"))


def _info(fd: int, data: bytearray, what: str) -> bytearray:
    _ask(fd, data, what)
    return data


def _ask(fd: int, data: bytearray, what: str) -> int:
    """Let the kernel fill in what it knows; return how many bytes of it there are."""
    memory = (ctypes.c_char * len(data)).from_buffer(data)
    attr = bytearray(layout.OBJ_INFO.pack(fd, len(data), ctypes.addressof(memory)))
    result = call.bpf(c.BPF_OBJ_GET_INFO_BY_FD, attr)
    if result < 0:
        raise refusal(-result, f"asking about the {what} at descriptor {fd}")
    size: int = layout.OBJ_INFO.unpack(attr)[1]
    return size


def _text(name: bytes) -> str:
    return name.partition(b"\0")[0].decode("utf-8", "replace")
