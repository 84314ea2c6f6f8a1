"""The sources of ``pyebpf.lib``: every way that this kernel has sees a known workload, exactly.

What a kernel has not got is said by the choice itself, with its reason; what it has must work.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pyebpf import (
    Array,
    Global,
    Ptr,
    cast,
    first_of,
    i32,
    i64,
    load,
    ntohs,
    read_kernel,
    tgid,
    tp_btf,
    u16,
    u32,
    u64,
    uprobe,
)
from pyebpf.dsl.choose import choose
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.errors import AttachError, KernelError, NotSupportedError
from pyebpf.host.loop import LoopDevice
from pyebpf.kernel import dentry, file, inode, sk_buff, sock, task_struct
from pyebpf.lib import block, fs, net, sched, task
from pyebpf.runtime import kallsyms
from pyebpf.runtime.features import KernelFeatures
from pyebpf.session import Session
from pyebpf.targets import host_target
from tests.programs import until
from tests.tools.lossy import segments_in, until_answered

pytestmark = pytest.mark.kernel

TIMES = 23
ROOT = Path(__file__).parents[2]

mine = Global[u32](0)
wanted = Global[u64](0)
seen = Array[u64](max_entries=4)


@task.forked()
def on_fork(parent: Ptr[task_struct], child: Ptr[task_struct]) -> None:
    if parent.tgid == mine.value and task.is_leader(child):
        seen[0] += 1


@task.executed()
def on_exec(now: Ptr[task_struct]) -> None:
    if task.parent_tgid(now) == mine.value:
        seen[0] += 1


@task.exited()
def on_exit(now: Ptr[task_struct]) -> None:
    if task.parent_tgid(now) == mine.value:
        seen[0] += 1
        seen[1] += task.exit_status(now)
        seen[2] += task.exit_signal(now)


@sched.switched()
def on_switch(prev: Ptr[task_struct], following: Ptr[task_struct], ready: bool) -> None:
    if prev.pid == mine.value:
        seen[0] += 1
        if not ready:
            seen[1] += 1
            if sched.state(prev) & 1:  # TASK_INTERRUPTIBLE
                seen[2] += 1


@sched.woken()
def on_wake(now: Ptr[task_struct]) -> None:
    if task.parent_tgid(now) == mine.value:
        seen[0] += 1


@sched.migrated()
def on_move(now: Ptr[task_struct], cpu: i32) -> None:
    if now.tgid == mine.value:
        seen[cpu & 1] += 1


@net.state_changed()
def on_state(sk: Ptr[sock], old: i32, new: i32) -> None:
    if tgid() == mine.value and net.local_port(sk) == wanted.value and new == 10:  # TCP_LISTEN
        seen[0] += 1
        seen[1] += net.family(sk)


@net.connecting()
def on_connect(sk: Ptr[sock]) -> None:
    if tgid() == mine.value and net.remote_port(sk) == wanted.value:
        seen[0] += 1


@net.accepted()
def on_accept(sk: Ptr[sock]) -> None:
    if tgid() == mine.value and net.local_port(sk) == wanted.value:
        seen[0] += 1


@net.sent()
def on_send(sk: Ptr[sock], size: u64) -> None:
    if tgid() == mine.value and net.remote_port(sk) == wanted.value:
        seen[0] += 1
        seen[1] += size


@net.received()
def on_receive(sk: Ptr[sock], size: u64) -> None:
    if tgid() == mine.value and net.local_port(sk) == wanted.value:
        seen[1] += size


@net.arrived()
def on_arrival(sk: Ptr[sock], skb: Ptr[sk_buff]) -> None:
    if mine.value and net.local_port(sk) == wanted.value:  # in an interrupt, whoever runs
        seen[0] += 1


@net.dropped()
def on_drop(skb: Ptr[sk_buff], location: u64, reason: u32, sk: Ptr[sock]) -> None:
    # A softirq may do it, whoever runs.
    to_port = cast(u64, skb.head) + skb.transport_header + 2  # struct udphdr
    if mine.value and ntohs(read_kernel(u16, to_port)) == wanted.value:
        seen[0] += 1


@net.retransmitted()
def on_again(sk: Ptr[sock], skb: Ptr[sk_buff]) -> None:
    if net.remote_port(sk) == wanted.value:
        seen[0] += 1


@fs.read()
def on_read(opened: Ptr[file], ret: i64) -> None:
    if tgid() == mine.value and opened.f_inode.i_ino == wanted.value and ret >= 0:
        seen[0] += 1
        seen[1] += ret


@fs.written()
def on_write(opened: Ptr[file], ret: i64) -> None:
    if tgid() == mine.value and opened.f_inode.i_ino == wanted.value and ret >= 0:
        seen[0] += 1
        seen[1] += ret


@fs.opened()
def on_open(opened: Ptr[file]) -> None:
    if tgid() == mine.value and opened.f_inode.i_ino == wanted.value and fs.is_regular(opened):
        seen[0] += 1


@fs.synced()
def on_sync(opened: Ptr[file]) -> None:
    if tgid() == mine.value and opened.f_inode.i_ino == wanted.value:
        seen[0] += 1


@fs.created()
def on_create(folder: Ptr[inode], entry: Ptr[dentry]) -> None:
    if tgid() == mine.value and folder.i_ino == wanted.value:
        seen[0] += 1


@fs.unlinked()
def on_unlink(folder: Ptr[inode], entry: Ptr[dentry]) -> None:
    if tgid() == mine.value and folder.i_ino == wanted.value:
        seen[0] += 1
        seen[1] += entry.d_name.len


@block.begun()
def on_request(what: u64, dev: u32) -> None:
    if tgid() == mine.value and what and dev == wanted.value:
        seen[0] += 1


class Case(NamedTuple):
    """A source's probe, what to do while it runs, and what it must have seen then."""

    probe: Alternatives
    work: Callable[[Session], list[int]]


def _children(*command: str, times: int = TIMES) -> list[subprocess.CompletedProcess[bytes]]:
    return [subprocess.run(command, check=False) for _ in range(times)]


def forks(_: Session) -> list[int]:
    for _turn in range(TIMES):
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
    return [TIMES]


def execs(_: Session) -> list[int]:
    _children("/bin/true")
    return [TIMES]


def exits(_: Session) -> list[int]:
    for turn in range(TIMES):
        child = os.fork()
        if not child:
            if turn:
                os._exit(3)
            os.kill(os.getpid(), 9)
        os.waitpid(child, 0)
    return [TIMES, 3 * (TIMES - 1), 9]


def _sleep() -> None:
    for _ in range(TIMES):
        time.sleep(0.001)


def switches(session: Session, compared: int = 2) -> list[int]:
    """Sleep; compare with the kernel's counts of switches, and of those of the thread's own will.

    Sleeps, or all of them, are in ``seen[2]``.
    """
    counts = session[seen].view()

    def both() -> tuple[list[int], list[int]]:
        """Return the kernel's counts and the probe's, with no switch in between."""
        while True:
            known, counted = _switched(), counts.tolist()
            if _switched() == known:
                return known, counted

    known, counted = both()
    _sleep()
    # A timer that ends before its task has left the CPU saves the switch: 23 sleeps may be fewer.
    until(lambda: counts[2] > counted[2])
    known_now, counted_now = both()
    assert _more(counted, counted_now)[:compared] == _more(known, known_now)[:compared]
    return []  # it may be switched again before anybody looks


def _more(before: list[int], now: list[int]) -> list[int]:
    return [new - old for old, new in zip(before, now, strict=True)]


def _switched() -> list[int]:
    """Return how often this thread was switched, and how often of its own will."""
    usage = resource.getrusage(resource.RUSAGE_THREAD)
    return [usage.ru_nvcsw + usage.ru_nivcsw, usage.ru_nvcsw]


def wakes(session: Session) -> list[int]:
    child = os.fork()
    if not child:
        _sleep()
        os._exit(0)
    os.waitpid(child, 0)
    number = int(session[seen].view()[0])
    assert number > TIMES  # each sleep, and its first run
    return [number]


def moves(_: Session) -> list[int]:
    allowed = os.sched_getaffinity(0)
    pair = sorted(allowed)[:2]
    if len(pair) < 2 or pair[0] % 2 == pair[1] % 2:
        pytest.skip("needs two CPUs, one of them with an odd number")
    try:
        os.sched_setaffinity(0, {pair[0]})
        before = list(_counts())
        for turn in range(TIMES - 1):
            os.sched_setaffinity(0, {pair[(turn + 1) % 2]})
    finally:
        os.sched_setaffinity(0, allowed)
    half = (TIMES - 1) // 2
    return [before[0] + half, before[1] + half]


def listens(session: Session) -> list[int]:
    for _ in range(TIMES):
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.close()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        session[wanted].value = server.getsockname()[1]
        server.listen()
    return [1, socket.AF_INET]


@contextlib.contextmanager
def _connected(session: Session) -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        session[wanted].value = server.getsockname()[1]
        with socket.create_connection(server.getsockname()) as client, server.accept()[0] as peer:
            yield client, peer


def connects(session: Session) -> list[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        session[wanted].value = server.getsockname()[1]
        for _ in range(TIMES):
            with socket.create_connection(server.getsockname()), server.accept()[0]:
                pass
    return [TIMES]


def sends(session: Session) -> list[int]:
    with _connected(session) as (client, _):
        for size in range(1, TIMES + 1):
            client.send(bytes(size))
    return [TIMES, TIMES * (TIMES + 1) // 2]


def receives(session: Session) -> list[int]:
    with _connected(session) as (client, peer):
        for size in range(1, TIMES + 1):
            client.sendall(bytes(size))
            assert len(peer.recv(size, socket.MSG_WAITALL)) == size
    return [0, TIMES * (TIMES + 1) // 2]


def arrivals(session: Session) -> list[int]:
    with _connected(session) as (client, peer):
        before = segments_in(peer)
        for _ in range(TIMES):
            client.send(b"x")
        until_answered(client)
        session.detach()  # what ends the connection comes too
        return [segments_in(peer) - before]


def reads(session: Session) -> list[int]:
    with tempfile.TemporaryFile() as opened:
        opened.write(bytes(100))
        opened.flush()
        session[wanted].value = os.fstat(opened.fileno()).st_ino
        opened.seek(0)
        for _ in range(TIMES):
            os.read(opened.fileno(), 3)
    return [TIMES, 3 * TIMES]


def writes(session: Session) -> list[int]:
    with tempfile.TemporaryFile() as opened:
        session[wanted].value = os.fstat(opened.fileno()).st_ino
        for _ in range(TIMES):
            os.write(opened.fileno(), b"12345")
    return [TIMES, 5 * TIMES]


@contextlib.contextmanager
def _in_memory(session: Session) -> Iterator[int]:
    # A file system that lies over another opens each file twice.
    made = os.memfd_create("pyebpf")
    try:
        session[wanted].value = os.fstat(made).st_ino
        yield made
    finally:
        os.close(made)


def opens(session: Session) -> list[int]:
    with _in_memory(session) as made:
        for _ in range(TIMES):
            os.close(os.open(f"/proc/self/fd/{made}", os.O_RDONLY))
    return [TIMES]


def syncs(session: Session) -> list[int]:
    # Files in memory have nothing to sync, and newer kernels know that before the function.
    with tempfile.TemporaryFile() as opened:
        session[wanted].value = os.fstat(opened.fileno()).st_ino
        os.fsync(opened.fileno())
        layers = int(session[seen].view()[0])
        assert layers in (1, 2)  # a file system that lies over another syncs that too
        for _ in range(TIMES - 1):
            os.fsync(opened.fileno())
    return [TIMES * layers]


@contextlib.contextmanager
def _folder(session: Session) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        session[wanted].value = Path(name).stat().st_ino
        yield Path(name)


def creates(session: Session) -> list[int]:
    with _folder(session) as folder:
        for number in range(TIMES):
            os.mknod(folder / f"{number}")
    return [TIMES]


def unlinks(session: Session) -> list[int]:
    with _folder(session) as folder:
        for _ in range(TIMES):
            path = folder / "name"
            path.touch()
            path.unlink()
    return [TIMES, TIMES * len("name")]


def requests(session: Session) -> list[int]:
    try:
        disk = LoopDevice()
    except KernelError as err:
        pytest.skip(str(err))
    with disk:
        session[wanted].value = disk.dev
        disk.write(TIMES)
    return [TIMES]


CASES = [
    Case(on_fork, forks), Case(on_exec, execs), Case(on_exit, exits), Case(on_switch, switches),
    Case(on_wake, wakes), Case(on_move, moves), Case(on_state, listens),
    Case(on_connect, connects),
    Case(on_accept, connects), Case(on_send, sends), Case(on_receive, receives),
    Case(on_arrival, arrivals),
    Case(on_read, reads), Case(on_write, writes), Case(on_open, opens), Case(on_sync, syncs),
    Case(on_create, creates), Case(on_unlink, unlinks), Case(on_request, requests),
]  # fmt: skip
FEATURES = KernelFeatures(keep=False)
_current: list[Session] = []


def _counts() -> Any:
    return _current[-1][seen].view().tolist()


def only_way(source: Alternatives, number: int) -> Session:
    """Load one way of a source; skip the test if this kernel has not got it."""
    way = Alternatives(source.name, (source.ways[number],))
    try:
        choose([way], host_target(), {})
    except NotSupportedError as err:
        pytest.skip(" ".join(str(err).splitlines()[1:]).strip())
    hooks = [hook for probe in way.ways[0] for hook in probe.hooks]
    for hook in hooks:  # what only an attempt can tell: functions without types are there too
        if hook.kind in ("kprobe", "kretprobe") and hook.target not in kallsyms.functions():
            pytest.skip(f"this kernel has no function {hook.target}")
    for kind in {hook.kind for hook in hooks}:
        if lack := FEATURES.lack(f"prog:{kind}"):
            pytest.skip(f"this kernel refuses {kind} programs: {lack.reason}")
    try:
        return load(way)
    except (AttachError, KernelError) as err:  # if the kernel lets its function be probed
        if any(hook.kind not in _AT_FUNCTIONS for hook in hooks):
            raise
        pytest.skip(f"{hooks[0].kind} {hooks[0].target}: {err}")


_AT_FUNCTIONS = ("fentry", "fexit", "kprobe", "kretprobe")


def every_way(cases: list[Case]) -> pytest.MarkDecorator:
    """Return what runs a test with each case and the number of each of its ways."""
    ways = [(case, number) for case in cases for number in range(len(case.probe.ways))]
    names = [f"{case.probe.name}-{number}" for case, number in ways]
    return pytest.mark.parametrize(("case", "number"), ways, ids=names)


def check_way(case: Case, number: int) -> None:
    """Let one way of a source see a known workload."""
    with only_way(case.probe, number) as session:
        _current.append(session)
        try:
            session[mine].value = os.getpid()
            expected = case.work(session)
            assert session[seen].view().tolist()[: len(expected)] == expected
            assert session.lost() == {}
        finally:
            _current.pop()


@pytest.mark.exact
@every_way(CASES)
def test_a_way_sees_what_happens(case: Case, number: int) -> None:
    check_way(case, number)


@pytest.mark.thorough
def test_packets_thrown_away_and_sent_again_in_a_network_of_ones_own() -> None:
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-m", "tests.kernel.sources_network"],
        check=False, capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert len(said) == len(on_drop.ways) + len(on_again.ways)
    ran = {(name, what) for name, _, what in said if not what.startswith("no: ")}
    assert {name for name, _ in ran} == {on_drop.name, on_again.name}, done.stdout
    for name, what in ran:
        counted, made = what.split(" of ")
        assert counted == made != "0", (name, what)


@uprobe("c", "no_such_function", pid=os.getpid())
def nowhere() -> None:
    seen[0] += 1


@tp_btf("sched_process_fork")
def somewhere(parent: Ptr[task_struct]) -> None:
    if parent.tgid == mine.value:
        seen[1] += 1


def test_what_cannot_be_attached_is_passed_over_and_this_is_remembered() -> None:
    either = first_of(nowhere, somewhere, name="either")
    for _ in range(2):  # compiled, then from the cache
        with load(either) as session:
            session[mine].value = os.getpid()
            forks(session)
            assert session[seen].view().tolist()[:2] == [0, TIMES]
            (program,) = session.compiled.programs
            assert (program.name, program.kind) == ("either", "tp_btf")
            assert "instead of uprobe c:no_such_function: " in session.explain()
            assert "no_such_function" in program.notes[0]
            with pytest.raises(KeyError, match="nowhere"):
                session.attach(nowhere)


def test_the_last_way_that_does_not_attach_says_so() -> None:
    with pytest.raises(AttachError, match="no_such_function"):
        load(first_of(nowhere))
