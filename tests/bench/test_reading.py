"""From the kernel's maps to numpy, beside the ways that take one entry at a time."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from pyebpf import Log2Hist, RawTracepointContext, raw_tracepoint, u32
from pyebpf.abi import constants as c
from pyebpf.runtime import syscall
from pyebpf.runtime.maps import HashMap, open_map
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.types import U32, U64, DataType
from tests.bench.measure import Sample, timed
from tests.bench.report import Report
from tests.kernel.running import fire, loaded

pytestmark = [pytest.mark.bench, pytest.mark.kernel]

ENTRIES = 1_000_000
#: As many are read key by key, and the time is multiplied: all of them would take ten seconds.
FEW = 100_000


plain = Log2Hist(unit="us")
keyed = Log2Hist(unit="us", key=u32)


@raw_tracepoint("sys_enter")
def count(ctx: RawTracepointContext) -> None:
    plain.add(100)
    keyed[7].add(100)


def test_histogram_snapshots(report: Report, empty_cache: object) -> None:
    with loaded(count) as session:  # not attached: it runs when we call it
        for _ in range(23):
            fire(session, count)
        view, many = session[plain], session[keyed]
        assert (view.snapshot().count, many.snapshot().total().count) == (23, 23)
        mapped = timed(view.snapshot, 15, loops=2_000).scaled(1e6)
        per_cpu = timed(many.snapshot, 15, loops=200).scaled(1e6)
    beside = [("64 look-ups, one for each slot", sixty_four_lookups())]
    report.add("histogram snapshot, mmap-ed", "us", mapped, 1, beside)
    report.add("histogram snapshot, per-CPU", "us", per_cpu, 20, beside)


def sixty_four_lookups() -> Sample:
    """Read a histogram as BCC keeps it, an array of slots, with a system call for each."""
    with created(c.BPF_MAP_TYPE_ARRAY, "array", 64, U32) as slots:
        key, value = ctypes.c_uint32(), ctypes.c_uint64()
        at, into = ctypes.addressof(key), ctypes.addressof(value)

        def read() -> list[int]:
            counts = []
            for slot in range(64):
                key.value = slot
                syscall.map_lookup(slots.fd, at, into)
                counts.append(value.value)
            return counts

        return timed(read, 15, loops=20).scaled(1e6)


@contextmanager
def created(number: int, kind: str, entries: int, key: DataType) -> Iterator[Any]:
    fd = syscall.map_create(number, key.size, 8, entries, name="bench")
    with open_map(fd, MapSpec("bench", kind, key.size, 8, entries, 0, key, U64)) as opened:
        yield opened


def test_a_million_hash_entries_to_numpy(report: Report) -> None:
    with created(c.BPF_MAP_TYPE_HASH, "hash", ENTRIES, U64) as table:
        keys = np.arange(ENTRIES, dtype=np.uint64) * 7
        table.update_many(keys, keys + 1)
        found, values = table.snapshot()
        assert len(found) == ENTRIES
        assert (values == found + 1).all()
        took = timed(table.snapshot, 7)
        objects = timed(table.items, 2)
        slowly = timed(lambda: key_by_key(table), 3).scaled(ENTRIES / FEW)
        kernel = timed(lambda: nothing_but_calls(table), 7)
        columns = timed(table.table, 3)
        stored = timed(lambda: table.update_many(keys, keys), 5)
        one_by_one = timed(lambda: store_key_by_key(table), 3).scaled(ENTRIES / FEW)
    beside = [
        ("key by key, 2 system calls each", slowly),
        ("the system calls alone", kernel),
        ("items(): Python objects", objects),
        ("table(): columns for data frames", columns),
    ]
    report.add("a million hash entries to numpy", "s", took, 0.3, beside)
    report.add(
        "a million entries of numpy into a hash", "s", stored, 1, [("key by key", one_by_one)]
    )


def nothing_but_calls(table: HashMap) -> None:
    """Let the kernel copy the same entries into memory that is there and touched already."""
    room = 1 << 16
    keys, values, cursor = np.zeros(room, np.uint64), np.zeros(room, np.uint64), bytearray(8)
    at = ctypes.addressof(ctypes.c_char.from_buffer(cursor))
    given, more = 0, True
    while more:
        _, more = syscall.map_lookup_batch(
            table.fd, given, at, keys.ctypes.data, values.ctypes.data, room
        )
        given = at


def store_key_by_key(table: HashMap) -> None:
    key, value = ctypes.c_uint64(), ctypes.c_uint64()
    at, of = ctypes.addressof(key), ctypes.addressof(value)
    for number in range(FEW):
        key.value = value.value = number * 7
        syscall.map_update(table.fd, at, of)


def key_by_key(table: HashMap) -> dict[int, int]:
    """Read a hash with nothing but ``BPF_MAP_GET_NEXT_KEY`` and look-ups, as BCC does."""
    key, value = ctypes.c_uint64(), ctypes.c_uint64()
    at, into = ctypes.addressof(key), ctypes.addressof(value)
    found = {}
    more = syscall.map_next_key(table.fd, 0, at)
    while more and len(found) < FEW:
        syscall.map_lookup(table.fd, at, into)
        found[key.value] = value.value
        more = syscall.map_next_key(table.fd, at, at)
    assert len(found) == FEW
    return found
