"""Every kind of map that can be declared: a known workload, and what user space then reads."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

import numpy as np
import pytest

from pyebpf import (
    Array,
    BloomFilter,
    CgrpStorage,
    Const,
    InodeStorage,
    LpmTrie,
    Ptr,
    Queue,
    RawTracepointContext,
    SkStorage,
    Stack,
    TaskStorage,
    compile_probes,
    current_task,
    ipv4,
    load,
    raw_tracepoint,
    record,
    tgid,
    tp_btf,
    u32,
    u64,
)
from pyebpf.abi.map_flags import MAP_FLAGS, MapFlag
from pyebpf.btf.system import kernel_btf
from pyebpf.errors import KernelError, MapFullError
from pyebpf.kernel import cgroup, sock, task_struct
from pyebpf.runtime.elf import parse_object
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.loader import load_object
from pyebpf.runtime.map_fd import create_map
from pyebpf.runtime.maps import open_map
from pyebpf.runtime.probing import MAP_SHAPES
from pyebpf.runtime.resolver import CoreResolver
from pyebpf.spec.objects import MapSpec
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel

#: ``include/uapi/asm-generic/socket.h``, ``include/linux/socket.h``.
SO_COOKIE, AF_XDP = 57, 44


@record
class Job:
    pid: u32
    size: u64


waiting = Queue[u64](max_entries=4)
newest = Stack[u64](max_entries=4)
jobs = Queue[Job](max_entries=4)
seen = BloomFilter[u32](max_entries=64, hashes=3)
out = Array[u64](max_entries=16)


@raw_tracepoint("sys_enter")
def put(ctx: RawTracepointContext) -> None:
    waiting.push(ctx.args[0])
    newest.push(ctx.args[0], replace=True)
    jobs.push(Job(pid=7, size=ctx.args[0]))
    seen.add(ctx.args[0])


@raw_tracepoint("sys_enter")
def get(ctx: RawTracepointContext) -> None:
    if (first := waiting.peek()) is not None:
        out[0] = first
    if (value := waiting.pop()) is not None:
        out[1] = value
    if (value := newest.pop()) is not None:
        out[2] = value
    last = jobs.pop()
    job = jobs.pop()
    if job is None:
        out[6] += 1
    if job is not None and last is not None:
        job.size += 100
        out[3], out[4] = job.size, last.size
    out[5] = (5 in seen) + (1_000_000 in seen) * 2


def test_queues_and_stacks(requires: Callable[[str], None]) -> None:
    requires("map:bloom_filter")
    with loaded(put, get) as session:
        for number in range(1, 7):
            fire(session, put, number)
        assert session.lost() == {"waiting": 2, "jobs": 2}
        fire(session, get, 0)
        assert session[out].snapshot()[1][:6].tolist() == [1, 1, 6, 102, 1, 1]
        queue, stack = session[waiting], session[newest]
        assert (queue.peek(), queue.pop(), queue.pop(), queue.pop()) == (2, 2, 3, 4)
        assert (queue.pop(), queue.pop(9), queue.peek()) == (None, 9, None)
        assert stack.take().tolist() == [5, 4, 3]
        for number in range(4):
            queue.push(number)
        with pytest.raises(MapFullError, match="room for 4"):
            queue.push(5)
        queue.push(5, replace=True)
        assert queue.take().tolist() == [1, 2, 3, 5]
        assert session[jobs].pop() == {"pid": 7, "size": 3}
        assert session[jobs].take()["size"].tolist() == [4]
        fire(session, get, 0)
        assert session[out][6] == 1


def test_a_bloom_filter_knows_what_was_added(requires: Callable[[str], None]) -> None:
    requires("map:bloom_filter")
    with loaded(put) as session:
        fire(session, put, 5)
        assert 5 in session[seen]
        session[seen].update(np.arange(40, 50, dtype=np.uint32))
        session[seen].add(60)
        assert all(number in session[seen] for number in (*range(40, 50), 60))
        wrong = sum(number in session[seen] for number in range(1_000, 2_000))
        assert wrong < 100


routes = LpmTrie[IPv4Address, u32](max_entries=16)
zones = LpmTrie[tuple[u32, IPv6Address], u64](max_entries=16)


@raw_tracepoint("sys_enter")
def route(ctx: RawTracepointContext) -> None:
    address = ipv4(ctx.args[0] & 0xFFFFFFFF)
    out[0] = routes.get(address, 999)
    routes[address, 30] = 30
    if (zone := zones.get((5, IPv6Address("2001:db8::1")))) is not None:
        out[1] = zone
    zones[(6, IPv6Address("2001:db8::")), 64] += 3
    del routes[IPv4Address("192.168.0.0"), 16]


def test_networks_are_found_by_their_longest_prefix() -> None:
    with loaded(route) as session:
        table = session[routes]
        table[ip_network("10.0.0.0/8")] = 8
        table[ip_network("10.1.0.0/16")] = 16
        table[ip_network("192.168.0.0/16")] = 1
        session[zones][(5, IPv6Address("2001:db8::")), 64] = 64
        session[zones][5, IPv6Address("2001::")] = 1
        fire(session, route, int.from_bytes(IPv4Address("10.1.2.3").packed, "little"))
        assert session[out].snapshot()[1][:2].tolist() == [16, 64]
        assert table[IPv4Address("10.1.2.2")] == 30
        assert table.get(IPv4Address("10.9.9.9")) == 8
        assert table.get(IPv4Address("11.0.0.1")) is None
        networks = {"10.0.0.0/8": 8, "10.1.0.0/16": 16, "10.1.2.0/30": 30}
        assert {str(key): value for key, value in table.items()} == networks
        assert session[zones][(6, IPv6Address("2001:db8::9")), 128] == 3
        del table[ip_network("10.0.0.0/8")]
        with pytest.raises(KeyError):
            del table[ip_network("10.0.0.0/9")]
        assert sorted(map(str, table)) == ["10.1.0.0/16", "10.1.2.0/30"]
        table.take()
        assert not table.items()
        table.update({ip_network("10.0.0.0/8"): 9, IPv4Address("10.0.0.1"): 10})
        assert (table[IPv4Address("10.0.0.1")], table[IPv4Address("10.7.0.1")]) == (10, 9)
        assert "data" in repr(table.table())


calls = TaskStorage[u64]()
states = TaskStorage[Job]()


@raw_tracepoint("sys_enter")
def count(ctx: RawTracepointContext) -> None:
    task = current_task()
    calls[task] += ctx.args[0]
    out[0] = calls.get(task, 0)
    state = states.get(task, create=True)
    if state is not None:
        state.size += 1
    out[1] = task in states
    out[2] = calls.fetch_add(task, 1)


@raw_tracepoint("sys_enter")
def forget(ctx: RawTracepointContext) -> None:
    task = current_task()
    if (gone := calls.pop(task)) is not None:
        out[3] = gone
    out[4] = calls.get(task) is None
    out[5] = calls.setdefault(task, 55)
    states[task] = Job(pid=3, size=9)
    del calls[task]


def test_values_of_threads(requires: Callable[[str], None]) -> None:
    requires("helper:task_storage_get@raw_tp")
    requires("atomics")
    with loaded(count, forget) as session:
        assert session[calls].get(os.getpid()) is None
        assert os.getpid() not in session[calls]
        fire(session, count, 5)
        fire(session, count, 2)
        assert session[out].snapshot()[1][:3].tolist() == [8, 1, 8]
        assert session[calls][os.getpid()] == 9
        assert session[states][os.getpid()] == {"pid": 0, "size": 2}
        session[calls][os.getpid()] = 20
        fire(session, forget, 0)
        assert session[out].snapshot()[1][3:6].tolist() == [20, 1, 55]
        assert session[states][os.getpid()] == {"pid": 3, "size": 9}
        with pytest.raises(KeyError):
            session[calls][os.getpid()]
        del session[states][os.getpid()]
        assert os.getpid() not in session[states]
        states_now = session[states]
        states_now.update_many([os.getpid()], [(4, 5)])
        assert states_now.pop(os.getpid()) == {"pid": 4, "size": 5}
        assert states_now.pop(os.getpid(), "none") == "none"
        for listing in (list, len, lambda view: view.keys(), lambda view: view.table()):
            with pytest.raises(TypeError, match=r"does not (list|count)"):
                listing(session[calls])


states_of = SkStorage[u64](clone=True)
made = CgrpStorage[u64]()
inodes = InodeStorage[u64]()
ME = Const(0)


@tp_btf("inet_sock_set_state")
def changed(sk: Ptr[sock]) -> None:
    if tgid() == ME:
        states_of[sk] += 1


@tp_btf("cgroup_mkdir")
def new_group(cgrp: Ptr[cgroup]) -> None:
    if tgid() == ME and made.get(cgrp) is None:
        made[cgrp] = 17


@tp_btf("task_rename")
def of_inode(task: Ptr[task_struct]) -> None:
    inodes[task.mm.exe_file.f_inode] = 1


def test_values_of_sockets(requires: Callable[[str], None]) -> None:
    requires("map:task_storage")  # Linux 5.11 gave tracing programs both kinds
    with load(changed, options={ME: os.getpid()}) as session, socket.create_server(("", 0)) as one:
        assert session[states_of][one] == 1  # it listens
        assert one in session[states_of]
        session[states_of][one.fileno()] = 5
        one.close()
        with socket.socket() as other:
            assert session[states_of].get(other, 0) == 0


def test_values_of_cgroups(requires: Callable[[str], None]) -> None:
    requires("map:cgrp_storage")
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    found = [Path(words[1]) for words in mounts if words[2] == "cgroup2"]
    if not found:
        pytest.skip("cgroups of version 2 are not mounted")
    group = found[0] / f"pyebpf-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as err:
        pytest.skip(f"no cgroup can be made here: {err}")
    group.rmdir()
    with load(new_group, options={ME: os.getpid()}) as session:
        group.mkdir()
        try:
            assert session[made][group] == 17
            del session[made][str(group)]
            assert session[made].get(group) is None
        finally:
            group.rmdir()


def test_values_of_inodes_outside(tmp_path: Path, requires: Callable[[str], None]) -> None:
    """The helpers are for LSM probes, which not every kernel lets us load: without a program."""
    requires("map:inode_storage")
    obj = parse_object(compile_probes(of_inode).object)
    resolver = CoreResolver(obj.btf, kernel_btf)
    path = tmp_path / "file"
    path.write_text("text")
    with load_object(obj, features=KernelFeatures(), resolver=resolver, only=()) as opened:
        fd = os.dup(opened.maps["inodes"].fd)
        with open_map(fd, inodes.spec("inodes", 1)) as view:
            try:
                view[path] = 3
            except KernelError as error:
                if error.errno != errno.EBADF:
                    raise
                pytest.skip("bpf, which keeps them, is not among the active security modules")
            with path.open() as file:
                assert view[file] == 3
            assert view.get(tmp_path) is None


TAKEN = [(flag, kind) for flag in MAP_FLAGS.values() for kind in sorted(flag.kinds)]


@pytest.mark.parametrize(("flag", "kind"), TAKEN, ids=lambda value: getattr(value, "name", value))
def test_the_kernel_takes_the_flags_of_the_table(flag: MapFlag, kind: str) -> None:
    if kind == "hash_of_maps" or kind.endswith("_storage"):
        pytest.skip("made with an object only")
    if not KernelFeatures().has(f"map:{kind}"):
        pytest.skip(f"this kernel has no {kind} maps")
    if flag.name == "rb_overwrite" and not KernelFeatures().has("map:insn_array"):
        pytest.skip("as new as that kind of map")
    key, value, entries, flags = MAP_SHAPES.get(kind, (4, 4, 1, 0))
    value = 32 if flag.name == "stack_build_id" else value  # such a place has 32 bytes
    spec = MapSpec("flags", kind, key, value, entries, flags | flag.bit)
    create_map(spec).close()
