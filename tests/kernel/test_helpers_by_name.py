"""Helpers called by their names, with the row of each deciding what it takes."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pyebpf import (
    Array,
    Char,
    FixedArray,
    Hash,
    RawTracepointContext,
    TaskStorage,
    addressof,
    array,
    cast,
    chars,
    comm,
    current_task,
    helpers,
    host_target,
    i64,
    raw_tracepoint,
    record,
    syscall,
    u8,
    u32,
    u64,
)
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel


@record
class Row:
    comm: Char = chars(16)
    n: i64
    u: u64


rows = Hash[u32, Row](max_entries=8)
counts = Hash[u32, u64](max_entries=8)
out = Array[i64](max_entries=16)


@raw_tracepoint("sys_enter")
def by_name(ctx: RawTracepointContext) -> int:
    row = Row(n=1)
    out[0] = helpers.get_current_comm(row.comm, 16)
    rows[1] = row
    out[1] = helpers.map_update_elem(counts, 7, 70)
    out[2] = helpers.map_delete_elem(map=counts, key=8)
    found = helpers.map_lookup_elem(rows, 1)
    if found is not None:
        found.n = 5
        out[3] = helpers.probe_read_kernel(found.u, 8, current_task())
        out[4] = helpers.probe_read_kernel(found.n, 8, 1) < 0
    out[5] = helpers.ktime_get_ns() > 0
    return 1


def test_memory_maps_and_results() -> None:
    with loaded(by_name) as session:
        assert fire(session, by_name) == 1
        seen = session[out].view()[:6].tolist()
        assert seen == [0, 0, -2, 0, 1, 1]
        assert session[rows][1].comm == Path("/proc/self/comm").read_text().rstrip("\n")
        assert session[rows][1].n == 0
        assert session[counts][7] == 70


@raw_tracepoint("sys_enter")
def by_size(ctx: RawTracepointContext) -> int:
    found = helpers.map_lookup_elem(rows, 1)
    if found is not None:
        task = current_task()
        helpers.probe_read_kernel(found.comm, min(cast(u32, ctx.args[0]), 16), addressof(task.comm))
    return 1


def test_a_size_that_is_known_to_fit() -> None:
    with loaded(by_size) as session:
        name = Path("/proc/self/comm").read_text().rstrip("\n")
        for size, text in ((3, name[:3] + "?" * 12), (1_000, name)):
            session[rows][1] = ("?" * 15, 0, 0)
            fire(session, by_size, size)
            assert session[rows][1].comm == text


@raw_tracepoint("sys_enter")
def newer(ctx: RawTracepointContext) -> int:
    text = comm()
    out[8] = helpers.strncmp(text, 16, "no name of a thread is like it")
    out[9] = helpers.snprintf(text, 16, "hello", None, 0)
    out[10] = helpers.strncmp(text, 16, "hello")
    row = Row()
    out[11] = helpers.strtol("123", 4, 0, row.n)
    out[12] = row.n
    return helpers.get_current_task_btf().tgid


@pytest.mark.skipif(
    not host_target().has("helper:strncmp@raw_tracepoint"), reason="this kernel has no bpf_strncmp"
)
def test_constant_text() -> None:
    with loaded(newer) as session:
        assert fire(session, newer) == os.getpid()
        seen = session[out].view()[8:13].tolist()
        assert seen[0] != 0
        assert seen[1:] == [6, 0, 3, 123]


@record
class Walk:
    frames: FixedArray[u64] = array(8)
    text: Char = chars(32)
    number: i64


@record
class Asked:
    address: u64
    result: i64
    number: i64
    order: i64


walks_of = TaskStorage[Walk]()


@raw_tracepoint("sys_enter")
def arguments(ctx: RawTracepointContext) -> None:
    walk = Walk()
    out[0] = helpers.get_stack(ctx, walk.frames, 64)
    out[1] = walk.frames[0] >> 63
    numbers = [ctx.args[0], 7]
    out[2] = helpers.snprintf(walk.text, 32, "%d of %d", numbers, 16)
    out[3] = helpers.strncmp(walk.text, 32, "41 of 7")
    buffer: FixedArray[u8] = array(16)
    out[4] = helpers.get_current_comm(buffer, 16)
    out[5] = buffer[0]
    found = helpers.task_storage_get(walks_of, current_task(), None, 1)
    if found is not None:
        found.number += 1
        out[6] = found.number
    out[7] = helpers.task_storage_delete(walks_of, current_task())
    out[8] = helpers.task_storage_delete(walks_of, current_task())


@syscall
def asked(ctx: Asked) -> None:
    text: FixedArray[u8] = array(16)
    ctx.result = helpers.copy_from_user(text, 16, ctx.address)
    walk = Walk()
    helpers.strtol(text, 16, 10, walk.number)
    ctx.number = walk.number
    ctx.order = helpers.strncmp(text, 16, "1")


def test_each_kind_of_argument(requires: Callable[[str], None]) -> None:
    requires("helper:task_storage_get@raw_tp")
    requires("helper:strncmp@raw_tp")
    requires("helper:snprintf@raw_tp")
    name = Path("/proc/self/comm").read_bytes()[0]
    with loaded(arguments) as session:
        fire(session, arguments, 41)
        values = session[out].snapshot()[1][:9].tolist()
        assert values[0] > 0
        assert values[1:] == [1, 8, 0, 0, name, 1, 0, -errno.ENOENT]


def test_memory_of_a_process(requires: Callable[[str], None]) -> None:
    requires("helper:copy_from_user@syscall")
    requires("helper:strncmp@syscall")
    text = ctypes.create_string_buffer(b"-1234", 16)
    with loaded(asked) as session:
        done = session.test_run(asked, (ctypes.addressof(text), 0, 0, 0))
        assert (done.context.result, done.context.number) == (0, -1234)
        assert done.context.order < 0
        done = session.test_run(asked, (8, 0, 0, 0))
        assert (done.context.result, done.context.number) == (-errno.EFAULT, 0)
