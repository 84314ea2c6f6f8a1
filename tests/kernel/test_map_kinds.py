"""Every kind of map that can be declared: a known workload, and what user space then reads."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

import numpy as np
import pytest

from pyebpf import (
    Array,
    ArrayOfMaps,
    BloomFilter,
    CgroupArray,
    CgroupStorage,
    CgrpStorage,
    Const,
    CpuMap,
    DevMap,
    DevMapHash,
    Events,
    Hash,
    HashOfMaps,
    InodeStorage,
    LpmTrie,
    PerfEventArray,
    Ptr,
    Queue,
    RawTracepointContext,
    ReuseportSockArray,
    SkBuffContext,
    SkStorage,
    SockHash,
    SockMap,
    Stack,
    TaskStorage,
    UserEvents,
    XdpContext,
    XskMap,
    cgroup_skb,
    compile_probes,
    current_task,
    i32,
    ipv4,
    load,
    raw_tracepoint,
    record,
    tgid,
    tp_btf,
    u32,
    u64,
    xdp,
)
from pyebpf.abi.constants import PERF_COUNT_SW_CPU_CLOCK, PERF_TYPE_SOFTWARE
from pyebpf.abi.map_flags import MAP_FLAGS, MapFlag
from pyebpf.btf.system import kernel_btf
from pyebpf.dsl.maps import Sized
from pyebpf.errors import KernelError, MapFullError
from pyebpf.kernel import cgroup, sock, task_struct
from pyebpf.runtime.elf import parse_object
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.loader import load_object
from pyebpf.runtime.map_fd import create_map
from pyebpf.runtime.maps import open_map
from pyebpf.runtime.maps.places import PlaceMap
from pyebpf.runtime.probing import MAP_SHAPES
from pyebpf.runtime.resolver import CoreResolver
from pyebpf.spec.objects import MapSpec
from tests.kernel.namespaces import own_cgroup
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


def test_queues_and_stacks() -> None:
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


def test_a_bloom_filter_knows_what_was_added() -> None:
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


def test_values_of_threads() -> None:
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
        with pytest.raises(TypeError, match="does not list"):
            list(session[calls])


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


def test_values_of_sockets() -> None:
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


def test_values_of_inodes_outside(tmp_path: Path) -> None:
    """The helpers are for LSM probes, which not every kernel lets us load: without a program."""
    obj = parse_object(compile_probes(of_inode).object)
    resolver = CoreResolver(obj.btf, kernel_btf)
    path = tmp_path / "file"
    path.write_text("text")
    with load_object(obj, features=KernelFeatures(), resolver=resolver, only=()) as opened:
        fd = os.dup(opened.maps["inodes"].fd)
        with open_map(fd, inodes.spec("inodes", 1)) as view:
            view[path] = 3
            with path.open() as file:
                assert view[file] == 3
            assert view.get(tmp_path) is None


@record
class Sent:
    pid: u32
    number: u64


sent = PerfEventArray[Sent](pages=1)
clock = PerfEventArray()
groups = CgroupArray(max_entries=4)


@raw_tracepoint("sys_enter")
def send(ctx: RawTracepointContext) -> None:
    sent.emit(Sent(pid=7, number=ctx.args[0]))
    now = clock.read()
    out[0] = now is None
    if now is not None:
        out[1] = now.counter
    out[2] = groups.has_current(1)
    out[3] = groups.has_current(2)


def test_records_by_perf_events() -> None:
    with loaded(send) as session:
        fire(session, send, 1)  # there are no buffers yet
        assert session.lost() == {"sent": 1}
        stream = session[sent]
        for number in range(200):
            fire(session, send, number)
        rows = stream.read()
        lost = session.lost()["sent"] - 1
        assert len(rows) + lost == 200
        assert lost > 0  # a page has room for less
        assert (rows["number"].tolist(), set(rows["pid"])) == (list(range(len(rows))), {7})
        for number in range(300, 500):
            fire(session, send, number)
            if number % 50 == 49:
                assert stream.read()["number"].tolist() == list(range(number - 49, number + 1))
        assert len(stream.read(0.01)) == 0


def test_counters_of_perf_events() -> None:
    with loaded(send) as session:
        fire(session, send, 1)
        assert session[out][0] == 1
        session[clock].open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK)
        fire(session, send, 1)
        before = session[out][1]
        fire(session, send, 1)
        assert session[out][0] == 0
        assert before < session[out][1]


def test_programs_know_their_cgroup() -> None:
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    found = [Path(words[1]) for words in mounts if words[2] == "cgroup2"]
    if not found:
        pytest.skip("cgroups of version 2 are not mounted")
    with loaded(send) as session:
        session[groups][1] = found[0]
        fire(session, send, 1)
        assert session[out].snapshot()[1][2:4].tolist() == [1, 0]
        del session[groups][1]
        fire(session, send, 1)
        assert session[out][2] == 0
        with pytest.raises(IndexError, match="entries 0 to 3"):
            session[groups][4] = found[0]


def _opened(decl: Sized) -> PlaceMap:
    spec = decl.spec("places", 1)
    return PlaceMap(create_map(spec).fd, spec)


def test_devices_and_cpus() -> None:
    for decl in (DevMap(max_entries=4), DevMapHash(max_entries=4)):
        with _opened(decl) as devices:
            devices[2] = "lo"
            assert devices[2] == socket.if_nametoindex("lo")
            assert 1 not in devices
            with pytest.raises(OSError, match="no interface"):
                devices[1] = "no such one"
            del devices[2]
            assert devices.get(2) is None
    with _opened(CpuMap(max_entries=4)) as cpus:
        cpus[0] = 128
        assert (cpus[0], cpus.get(1)) == (128, None)


def test_sockets() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as one,
        server.accept()[0],
    ):
        for decl in (SockMap(max_entries=4), SockHash[u64](max_entries=4)):
            with _opened(decl) as sockets:
                sockets[3] = one
                cookie = one.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8)
                assert sockets[3] == int.from_bytes(cookie, "little")
                del sockets[3]
                assert 3 not in sockets


def test_sockets_of_one_port() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(("127.0.0.1", 0))
        with _opened(ReuseportSockArray(max_entries=2)) as ports:
            ports[1] = one
            assert 1 in ports
            assert 0 not in ports


def test_sockets_of_xdp() -> None:
    with socket.socket(AF_XDP, socket.SOCK_RAW) as one, _opened(XskMap(max_entries=2)) as sockets:
        sockets[0] = one
        with pytest.raises(KernelError, match="looking up"):
            sockets.get(0)
        del sockets[0]


XDP_PASS, XDP_REDIRECT = 2, 4
ports = DevMap(max_entries=4)
others = DevMapHash(max_entries=4)
workers = CpuMap(max_entries=4)


@xdp
def forward(ctx: XdpContext) -> i32:
    if ctx.rx_queue_index == 0:
        out[0] = ports.redirect(2, XDP_PASS)
        out[1] = others.redirect(77, otherwise=1)
        out[2] = workers.redirect(0)
    return XDP_PASS


def test_frames_go_where_the_map_says() -> None:
    with loaded(forward) as session:
        session.test_run(forward, data=bytes(64))
        assert session[out].snapshot()[1][:3].tolist() == [XDP_PASS, 1, 0]
        session[ports][2] = "lo"
        session[others][77] = socket.if_nametoindex("lo")
        session[workers][0] = 64
        session.test_run(forward, data=bytes(64))
        assert session[out].snapshot()[1][:3].tolist() == [XDP_REDIRECT] * 3


@record
class Traffic:
    packets: u64
    octets: u64


traffic = CgroupStorage[Traffic]()
SEND = """
import socket, sys
with open(sys.argv[1] + "/cgroup.procs", "w") as file:
    file.write("0")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    for _ in range(3):
        one.sendto(b"x" * 72, ("127.0.0.1", 9))
"""


@cgroup_skb("egress")
def counted(ctx: SkBuffContext) -> i32:
    own = traffic.get()
    own.packets += 1
    own.octets += ctx.len
    return 1


def test_a_record_for_each_cgroup() -> None:
    with own_cgroup() as group, load(counted) as session:
        session.attach(counted, cgroup=str(group))
        subprocess.run([sys.executable, "-c", SEND, str(group)], check=True)
        ((key, row),) = session[traffic].items()
        assert key.cgroup_inode_id == group.stat().st_ino
        assert row == {"packets": 3, "octets": 300}


monday = Hash[u32, u64](max_entries=64)
days = ArrayOfMaps(Hash[u32, u64](max_entries=64), (monday,), max_entries=7)
users = HashOfMaps(Array[u64](max_entries=4, inner_map=True), key=u32, max_entries=16)


@raw_tracepoint("sys_enter")
def sort(ctx: RawTracepointContext) -> None:
    number = ctx.args[0]
    out[0] = 0
    day = days.get(number)
    if day is not None:
        day[5] += number + 1
        day[6] = 60
        out[0] = day.get(5, 0)
        del day[6]
    one = users.get(number)
    if one is not None:
        one[1] += 7
    monday[9] = 90


def test_maps_of_maps() -> None:
    with loaded(sort) as session:
        fire(session, sort, 0)
        fire(session, sort, 3)
        assert session[out][0] == 0
        assert dict(session[monday].items()) == {5: 1, 9: 90}
        with session[days].make(3) as third, session[days][3] as again:
            fire(session, sort, 3)
            fire(session, sort, 3)
            assert session[out][0] == 8
            assert third.items() == again.items() == [(5, 8)]
        del session[days][3]
        assert 3 not in session[days]
        session[days][6] = session[monday]
        fire(session, sort, 6)
        assert session[monday][5] == 8
        with session[users].make(6) as of_user:
            fire(session, sort, 6)
            assert of_user[1] == 7
        with pytest.raises(KeyError):
            session[users][5]


@record
class Command:
    kind: u32
    number: u64


commands = UserEvents[Command](pages=1)
kept = Events[Command](pages=1)


@raw_tracepoint("sys_enter")
def obey(ctx: RawTracepointContext) -> None:
    total = 0
    for command in commands:
        command.number += 1
        total += command.number
        if command.kind == 9:
            break
    out[0] = total
    with kept.reserve() as event:
        event.kind = ctx.args[0]
        if event.kind == 1:
            kept.discard(event)
            return
        if event.kind == 2:
            kept.discard(event)
        event.number = 5


def test_commands_of_user_space() -> None:
    with loaded(obey) as session:
        ring = session[commands]
        for kind, number in ((1, 10), (2, 20), (9, 30), (3, 40)):
            ring.push((kind, number))
        fire(session, obey, 0)
        assert session[out][0] == 63
        assert ring.pending_bytes == 24
        fire(session, obey, 0)
        assert (session[out][0], ring.pending_bytes) == (41, 0)
        for number in range(170):
            ring.push({"kind": 0, "number": number})
        with pytest.raises(MapFullError, match="wait for a program"):
            ring.push((0, 0))
        fire(session, obey, 0)
        assert session[out][0] == sum(range(1, 171))
        ring.push((0, 7))
        fire(session, obey, 0)
        assert session[out][0] == 8


def test_records_are_given_up() -> None:
    with loaded(obey) as session:
        for number in (0, 1, 2, 3):
            fire(session, obey, number)
        assert session[kept].read()["kind"].tolist() == [0, 3]


TAKEN = [(flag, kind) for flag in MAP_FLAGS.values() for kind in sorted(flag.kinds)]


@pytest.mark.parametrize(("flag", "kind"), TAKEN, ids=lambda value: getattr(value, "name", value))
def test_the_kernel_takes_the_flags_of_the_table(flag: MapFlag, kind: str) -> None:
    if kind == "hash_of_maps" or kind.endswith("_storage"):
        pytest.skip("made with an object only")
    if flag.name == "rb_overwrite" and not KernelFeatures().has("map:insn_array"):
        pytest.skip("as new as the kind")
    key, value, entries, flags = MAP_SHAPES.get(kind, (4, 4, 1, 0))
    spec = MapSpec("flags", kind, key, value, entries, flags | flag.bit)
    create_map(spec).close()
