"""Helpers called by their names, with the row of each deciding what it takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyebpf import (
    Array,
    Char,
    Hash,
    RawTracepointContext,
    chars,
    comm,
    current_task,
    helpers,
    host_target,
    i64,
    raw_tracepoint,
    record,
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
