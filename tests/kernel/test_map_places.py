"""Maps of perf events, devices, CPUs, sockets, cgroups and maps; streams from user space."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pyebpf import (
    Array,
    ArrayOfMaps,
    CgroupArray,
    CgroupStorage,
    CpuMap,
    DevMap,
    DevMapHash,
    Events,
    Hash,
    HashOfMaps,
    PerfEventArray,
    RawTracepointContext,
    ReuseportSockArray,
    SkBuffContext,
    SockHash,
    SockMap,
    UserEvents,
    XdpContext,
    XskMap,
    cgroup_skb,
    i32,
    i64,
    load,
    raw_tracepoint,
    record,
    u32,
    u64,
    xdp,
)
from pyebpf.abi.constants import PERF_COUNT_SW_CPU_CLOCK, PERF_TYPE_SOFTWARE
from pyebpf.dsl.maps import Sized
from pyebpf.errors import KernelError, MapFullError
from pyebpf.runtime.map_fd import create_map
from pyebpf.runtime.maps.places import PlaceMap
from tests.kernel.namespaces import own_cgroup
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel

#: ``include/uapi/asm-generic/socket.h``, ``include/linux/socket.h``.
SO_COOKIE, AF_XDP = 57, 44


out = Array[i64](max_entries=16)


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


def test_devices_and_cpus(requires: Callable[[str], None]) -> None:
    requires("map:devmap_hash")
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
                assert sockets.items() == [(3, sockets[3])]
                assert len(sockets) == 1
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


def test_sockets_of_xdp(requires: Callable[[str], None]) -> None:
    requires("map:xskmap")
    with socket.socket(AF_XDP, socket.SOCK_RAW) as one, _opened(XskMap(max_entries=2)) as sockets:
        try:
            sockets[0] = one
        except KernelError as error:
            if error.errno != errno.ENOBUFS:
                raise
            pytest.skip("this kernel takes only sockets of XDP that have their rings")
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


def test_frames_go_where_the_map_says(requires: Callable[[str], None]) -> None:
    requires("map:devmap_hash")
    with loaded(forward) as session:
        session.test_run(forward, data=bytes(64))
        assert session[out].snapshot()[1][:3].tolist() == [XDP_PASS, 1, 0]
        session[ports][2] = "lo"
        session[others][77] = socket.if_nametoindex("lo")
        session[workers][0] = 64
        assert session[ports].keys() == [2]
        assert dict(session[others].items()) == {77: socket.if_nametoindex("lo")}
        assert list(session[workers]) == [0]
        session.test_run(forward, data=bytes(64))
        assert session[out].snapshot()[1][:3].tolist() == [XDP_REDIRECT] * 3


next_ports = DevMap(max_entries=4, programs=True)
next_workers = CpuMap(max_entries=4, programs=True)


@xdp
def forward_on(ctx: XdpContext) -> i32:
    return next_ports.redirect(0) if ctx.rx_queue_index else next_workers.redirect(0)


@xdp(entry_of="devmap")
def at_port(ctx: XdpContext) -> i32:
    return XDP_PASS


@xdp(entry_of="cpumap")
def at_worker(ctx: XdpContext) -> i32:
    return XDP_PASS


def test_entries_hold_a_place_and_a_program(requires: Callable[[str], None]) -> None:
    """That such programs run is among the kinds (``tests/kinds/devices.py``)."""
    requires("prog:xdp_devmap")
    requires("prog:xdp_cpumap")
    with load(forward_on, at_port, at_worker, attach=False) as session:
        for decl, probe, place in ((next_ports, at_port, "lo"), (next_workers, at_worker, 64)):
            opened = session[decl]
            opened[0], opened[1] = (place, probe), place
            assert opened[0] == opened[1] == (1 if place == "lo" else 64)
            assert 2 not in opened
            with pytest.raises(KeyError, match="is no probe that this session loaded"):
                opened[2] = (place, forward)
            with pytest.raises(IndexError, match="entries 0 to 3"):
                opened[4] = (place, probe)
        with pytest.raises(KernelError):
            session[next_ports][2] = ("lo", at_worker)


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


def test_commands_of_user_space(requires: Callable[[str], None]) -> None:
    requires("map:user_ringbuf")
    with loaded(obey) as session:
        ring = session[commands]
        for kind, number in ((1, 10), (2, 20), (9, 30), (3, 40)):
            ring.push((kind, number))
        fire(session, obey, 0)
        assert session[out][0] == 63
        assert ring.pending_bytes == 24
        fire(session, obey, 0)
        assert (session[out][0], ring.pending_bytes) == (41, 0)
        room = ring.size // 24
        for number in range(room):
            ring.push({"kind": 0, "number": number})
        with pytest.raises(MapFullError, match="wait for a program"):
            ring.push((0, 0))
        fire(session, obey, 0)
        assert session[out][0] == sum(range(1, room + 1))
        ring.push((0, 7))
        fire(session, obey, 0)
        assert session[out][0] == 8


def test_a_record_is_whole_before_the_kernel_may_look_at_it(
    requires: Callable[[str], None],
) -> None:
    requires("map:user_ringbuf")
    with loaded(obey) as session:
        ring, seen = session[commands], []
        ring._fence = lambda: seen.append((ring.pending_bytes, bytes(ring._data[8:24])))
        ring.push((1, 10))
        # Once before anything is written, once when all is, but for our position.
        record = (1).to_bytes(8, "little") + (10).to_bytes(8, "little")
        assert seen == [(0, bytes(16)), (0, record)]
        assert ring.pending_bytes == 24


def test_records_are_given_up(requires: Callable[[str], None]) -> None:
    requires("map:user_ringbuf")
    with loaded(obey) as session:
        for number in (0, 1, 2, 3):
            fire(session, obey, number)
        assert session[kept].read()["kind"].tolist() == [0, 3]
