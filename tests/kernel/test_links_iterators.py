"""Iterators that visit a part of their kind: a map's entries, some cgroups, one process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from pyebpf import (
    Hash,
    Ptr,
    RawTracepointContext,
    iter,  # noqa: A004 - the kernel's word
    load,
    raw_tracepoint,
    read_kernel,
    u64,
)
from pyebpf.errors import AttachError, KernelError
from pyebpf.kernel import bpf_iter_meta, bpf_map, cgroup, task_struct
from tests.kernel.namespaces import own_cgroup

pytestmark = pytest.mark.kernel

seen = Hash[u64, u64](max_entries=64)
squares = Hash[u64, u64](max_entries=64)


@raw_tracepoint("sys_enter")
def uses(ctx: RawTracepointContext) -> None:
    squares[0] = 1


@iter("bpf_map_elem")
def entry(
    meta: Ptr[bpf_iter_meta],
    of: Ptr[bpf_map] | None,
    key: Ptr[u64] | None,
    value: Ptr[u64] | None,
) -> None:
    if key is not None and value is not None:
        seen[read_kernel(u64, key)] = read_kernel(u64, value) + 1


def test_the_entries_of_a_map_are_visited() -> None:
    with load(entry) as session:
        assert "not attached: session.attach(…, map=…) says where" in session.explain()
        with pytest.raises(AttachError, match="needs to know where: map="):
            session.attach(entry)
    with load(entry, uses, attach=False) as session:
        for number in range(1, 10):
            session[squares][number] = number * number
        session.attach(entry, map=squares)
        session.read(entry)
        assert dict(session[seen].items()) == {n: n * n + 1 for n in range(1, 10)}
        with pytest.raises(AttachError, match="entries of a map that a probe uses, not of 'map'"):
            session.attach(entry, map="map")


@iter("cgroup")
def group(meta: Ptr[bpf_iter_meta], visited: Ptr[cgroup] | None) -> None:
    if visited is not None:
        seen[1] += 1


@pytest.mark.parametrize(
    ("order", "number"),
    [("descendants", 3), ("descendants_first", 3), ("self", 1), ("ancestors", 2)],
)
def test_cgroups_are_visited_from_one_on(
    order: str, number: int, requires: Callable[[str], None]
) -> None:
    # The iterator came with Linux 6.1, as this helper did.
    requires("helper:user_ringbuf_drain")
    with own_cgroup() as top, load(group) as session:
        for name in ("one", "two"):
            (top / name).mkdir()
        try:
            session.attach(group, cgroup=str(top), order=order)
            session.read(group)
            assert session[seen][1] == number
            with pytest.raises(AttachError, match="no order 'up': write one of self"):
                session.attach(group, cgroup=str(top), order="up")
        finally:
            for name in ("one", "two"):
                (top / name).rmdir()


@iter("task")
def thread(meta: Ptr[bpf_iter_meta], task: Ptr[task_struct] | None) -> None:
    if task is not None:
        seen[2] += 1


def test_the_threads_of_one_process_are_visited(requires: Callable[[str], None]) -> None:
    requires("helper:user_ringbuf_drain")  # Linux 6.1
    stop = threading.Event()
    others = [threading.Thread(target=stop.wait) for _ in range(3)]
    for other in others:
        other.start()
    try:
        with load(thread, attach=False) as session:
            session.attach(thread, pid=os.getpid())
            session.read(thread)
            assert session[seen][2] == len(os.listdir("/proc/self/task"))  # noqa: PTH208
    finally:
        stop.set()
        for other in others:
            other.join()


def test_a_number_that_no_process_has_is_refused() -> None:
    with load(thread, attach=False) as session:
        for number in (-5, 1 << 31):
            with pytest.raises(AttachError, match=f"there is no process {number}"):
                session.attach(thread, pid=number)


def test_a_process_that_ended_is_not_visited(requires: Callable[[str], None]) -> None:
    requires("helper:user_ringbuf_drain")  # Linux 6.1
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with load(thread, attach=False) as session:
        try:
            session.attach(thread, pid=ended.pid)
        except KernelError:
            return
        session.read(thread)
        assert session[seen].get(2) is None
