"""Records of several types and sizes, through each kind of buffer: the same comes out of all."""

from __future__ import annotations

import asyncio
import ctypes
import mmap
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyebpf import (
    Char,
    Events,
    RawTracepointContext,
    Session,
    chars,
    i32,
    load,
    raw_tracepoint,
    record,
    replay,
    rows,
    u32,
    u64,
)
from pyebpf.dsl.events import PERF
from pyebpf.host.cpus import online
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.stream import EventStream
from pyebpf.spec.target import Lack
from pyebpf.targets import host_target
from tests.kernel.running import fire
from tests.programs import run, running, until

pytestmark = pytest.mark.kernel

TURNS = 40
TEXTS = (b"", b"a", b"/etc/hostname", b"x" * 99, b"y" * 200)


@record
class Opened:
    number: u64
    pid: u32
    path: Char = chars(100)


@record
class Closed:
    number: u32
    fd: i32


ring = Events[Opened | Closed](pages=16)
trimmed = Events[Opened | Closed](pages=16, trim=True)
perf = Events[Opened | Closed](pages=16, perf=True)
perf_trimmed = Events[Opened | Closed](pages=16, perf=True, trim=True)
one_perf_trimmed = Events[Opened](pages=16, perf=True, trim=True)
ALL = (ring, trimmed, perf, perf_trimmed)


@raw_tracepoint("sys_enter")
def send(ctx: RawTracepointContext) -> None:
    for number in range(TURNS):
        with ring.reserve(Opened) as a:
            a.number, a.pid = number, 7
            a.path.read_user_str(ctx.args[0])
            if number % 5 == 4:
                ring.discard(a)
        ring.emit(Closed(number=number, fd=-1))
        with trimmed.reserve(Opened) as b:
            b.number, b.pid = number, 7
            b.path.read_user_str(ctx.args[0])
            if number % 5 == 4:
                trimmed.discard(b)
        trimmed.emit(Closed(number=number, fd=-1))


@raw_tracepoint("sys_enter")
def send_perf(ctx: RawTracepointContext) -> None:
    for number in range(TURNS):
        with perf.reserve(Opened) as a:
            a.number, a.pid = number, 7
            a.path.read_user_str(ctx.args[0])
            if number % 5 == 4:
                perf.discard(a)
        perf.emit(Closed(number=number, fd=-1))
        with perf_trimmed.reserve(Opened) as b:
            b.number, b.pid = number, 7
            b.path.read_user_str(ctx.args[0])
            if number % 5 == 4:
                perf_trimmed.discard(b)
        perf_trimmed.emit(Closed(number=number, fd=-1))
        one_perf_trimmed.emit(Opened(number=number, path="one"))


def test_each_kind_of_buffer_gives_the_same_records() -> None:
    wanted = [n for n in range(TURNS) if n % 5 != 4]
    pending: dict[bytes, list[int]] = {}
    with load(send, send_perf, attach=False) as session:
        for turn, text in enumerate(TEXTS, 1):
            held = ctypes.create_string_buffer(text)
            for probe in (send, send_perf):
                fire(session, probe, ctypes.addressof(held))
            pending[text] = [session[stream].pending_bytes for stream in ALL]
            for stream in ALL:
                batch = session[stream].read()
                opened, closed = batch[Opened], batch["Closed"]
                assert opened["number"].tolist() == wanted
                assert set(opened["path"].tolist()) == {text[:99]}
                assert set(opened["pid"].tolist()) == {7}
                assert closed["number"].tolist() == list(range(TURNS))
                assert set(closed["fd"].tolist()) == {-1}
                assert batch.tags.tolist() == ([0, 1] * 4 + [1]) * (TURNS // 5)
                assert session[stream].received == turn * len(batch)
            assert set(session[one_perf_trimmed].read()["path"].tolist()) == {b"one"}
        assert session.lost() == {}
        assert "perf_trimmed: 360 received, 0 lost, 0% of" in session.summary()
        assert "perf_trimmed: 360 received" in repr(session)
    whole, short, _, _ = pending[b""]
    assert short < whole / 2
    # A text that fills its field leaves nothing to trim.
    assert pending[TEXTS[-1]][1] <= pending[TEXTS[-1]][0]


small = Events[u64](pages=1)
small_perf = Events[u64](pages=1, perf=True)


@raw_tracepoint("sys_enter")
def flood(ctx: RawTracepointContext) -> None:
    for number in range(100):
        small.emit(ctx.args[0] + number)
        small_perf.emit(ctx.args[0] + number)


def test_what_has_no_room_is_counted_exactly() -> None:
    with load(flood, attach=False) as session:
        kept: dict[Any, list[int]] = {small: [], small_perf: []}
        for round_ in range(3):
            for turn in range(12):
                fire(session, flood, 1_200 * round_ + 100 * turn)
            for stream, seen in kept.items():
                seen.extend(session[stream].read().tolist())
                assert session[stream].fullest > 0.9
                assert session[stream].received + session[stream].lost == 1_200 * (round_ + 1)
        for stream, seen in kept.items():
            assert 0 < session[stream].received < 3_600
            # Until it is full a buffer takes all; on one CPU they are in order.
            if stream is small:
                assert seen == sorted(seen)
                assert seen[:200] == list(range(200))
        lost = {"small": session[small].lost, "small_perf": session[small_perf].lost}
        assert session.lost() == lost


counted = Events[u64](pages=16)


@raw_tracepoint("sys_enter")
def produce(ctx: RawTracepointContext) -> None:
    for number in range(500):
        counted.emit(ctx.args[0] + number)


def test_several_producers_send_what_is_received_and_lost() -> None:
    producers, runs = 4, 60

    def work(who: int) -> None:
        for turn in range(runs):
            fire(session, produce, who << 32 | 500 * turn)

    with load(produce, attach=False) as session:
        stream = session[counted]
        threads = [threading.Thread(target=work, args=(who,)) for who in range(producers)]
        for thread in threads:
            thread.start()
        seen: list[np.ndarray] = []
        while any(thread.is_alive() for thread in threads) or stream.pending_bytes:
            seen.append(stream.read())
        produced, lost = producers * runs * 500, stream.lost
        assert stream.received + lost == produced
    numbers = np.concatenate(seen)
    assert len(np.unique(numbers)) == len(numbers) == stream.received
    for who in range(producers):
        own = numbers[numbers >> np.uint64(32) == who]
        assert (np.diff(own) > 0).all()


@raw_tracepoint("sys_enter")
def fall_back(ctx: RawTracepointContext) -> None:
    for number in range(10):
        with ring.reserve(Opened) as e:
            e.number = number
        counted.emit(number)
    print(f"sent {ctx.args[0]}")


class Older(KernelFeatures):
    """The running kernel, but for its ring buffers."""

    def has(self, name: str) -> bool:
        return name != "ringbuf" and super().has(name)

    def lack(self, name: str) -> Lack | None:
        return Lack("it is to seem older") if name == "ringbuf" else super().lack(name)


def test_a_kernel_without_ring_buffers_gets_perf_events() -> None:
    with load(fall_back, target=host_target().replace(features=Older()), attach=False) as session:
        kinds = {name: opened.spec.kind for name, opened in session._loaded.maps.items()}
        assert [kinds[name] for name in ("ring", "counted", "pyebpf_print")] == [PERF] * 3
        # `pages=` are of 4096 bytes; a machine whose own are larger has as many bytes in fewer.
        assert session[ring].size == len(online()) * max(ring.pages * 4096, mmap.PAGESIZE)
        for _ in range(3):
            fire(session, fall_back, 23)
        batch = session[ring].read()
        assert sorted(batch[Opened]["number"].tolist()) == sorted([*range(10)] * 3)
        assert sorted(session[counted].read().tolist()) == sorted([*range(10)] * 3)
        assert list(session.lines(0)) == ["sent 23\n"] * 3
        assert session.lost() == {}


def sent(session: Session, count: int) -> threading.Timer:
    """Let a thread send something a little later."""

    def work() -> None:
        for turn in range(count):
            fire(session, produce, 500 * turn)

    later = threading.Timer(0.05, work)
    later.start()
    return later


def test_batches_come_to_loops_callbacks_and_coroutines() -> None:
    async def take() -> list[int]:
        found: list[int] = []
        async for batch in session[counted]:
            found += batch.tolist()
            if len(found) == 1_000:
                break
        return found

    with load(produce, attach=False) as session:
        for read in (lambda: asyncio.run(take()), lambda: take_in_a_loop(session)):
            later = sent(session, 2)
            assert read() == list(range(1_000))
            later.join()
        found: list[int] = []
        later = sent(session, 2)
        while len(found) < 1_000:
            session[counted].each(lambda batch: found.extend(batch.tolist()), seconds=0.1)
        later.join()
        assert found == list(range(1_000))
        assert session[counted].received == 3_000


@pytest.mark.parametrize("buffer", [ring, perf])
def test_loops_end_when_the_session_is_closed(buffer: Events[Any]) -> None:
    async def waits(session: Session) -> int:
        async def loop() -> int:
            return sum([len(batch) async for batch in session[buffer]])

        waiting = asyncio.create_task(loop())
        await asyncio.sleep(0)  # it has nothing to read, and waits for the descriptor
        session.close()
        return await waiting

    said: list[int] = []

    def reads(stream: EventStream) -> None:
        said.append(sum(map(len, stream)))

    probe = send if buffer is ring else send_perf
    assert asyncio.run(waits(load(probe, attach=False))) == 0
    for _ in range(10):
        session = load(probe, attach=False)
        reader = threading.Thread(target=reads, args=(session[buffer],))
        reader.start()
        session.close()
        reader.join()
    assert said == [0] * 10


def take_in_a_loop(session: Session) -> list[int]:
    found: list[int] = []
    for batch in session[counted]:
        found += batch.tolist()
        if len(found) == 1_000:
            return found
    raise AssertionError


def test_a_recording_has_what_was_sent_up_to_ctrl_c(tmp_path: Path) -> None:
    path = tmp_path / "sent.npy"
    held = ctypes.create_string_buffer(b"/etc/hostname")

    def work() -> None:
        until(path.exists)  # it begins by making the file, when Ctrl-C is already its own
        for turn in range(20):
            fire(session, send, ctypes.addressof(held))
            fire(session, produce, 500 * turn)
        os.kill(os.getpid(), signal.SIGINT)

    with load(send, produce, attach=False) as session:
        worker = threading.Thread(target=work)
        worker.start()
        with pytest.raises(KeyboardInterrupt):
            session.record(path, ring, counted)
        worker.join()
        received = {stream: session[stream].received for stream in (ring, counted)}
        lost = {stream: session[stream].lost for stream in (ring, counted)}
    recording = replay(path)
    assert recording.is_complete
    assert recording.about.kernel == os.uname().release
    assert ("send", "raw_tracepoint", "sys_enter") in recording.about.programs
    assert {recording[stream].received for stream in (ring,)} == {received[ring]}
    assert received[counted] + lost[counted] == 10_000
    assert recording["counted"].lost == lost[counted]
    assert len(recording[counted].read()) == received[counted]
    opened = next(rows(Opened, recording[ring]))
    assert (opened.path, opened.pid) == ("/etc/hostname", 7)
    assert next(recording[ring].rows()).path == "/etc/hostname"


PROGRAM = """
from pyebpf import *

sent = Events[u64]()

@tracepoint("syscalls:sys_enter_getppid")
def probe() -> None:
    if tgid() == {pid}:
        sent.emit(7)
"""


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.thorough)]
)
def test_the_command_records_a_program(tmp_path: Path, number: int) -> None:
    """It does so until it is asked to end. The recording begins once all is attached."""
    program, path = tmp_path / "sent.py", tmp_path / "sent.npy"
    program.write_text(PROGRAM.format(pid=os.getpid()))
    with running("-m", "pyebpf", "record", str(program), "-o", str(path)) as recorder:
        until(path.exists)
        for _ in range(23):
            os.getppid()
        recorder.send(number)
        code, out, err = recorder.end()
    assert (code, err) == (0, "")
    recording = replay(path)
    assert recording["sent"].received == 23
    assert recording["sent"].read().tolist() == [7] * 23
    assert out.startswith(f"{path}\nsent: 23 received, 0 lost")


def test_the_command_records_for_so_many_seconds(tmp_path: Path) -> None:
    program, path = tmp_path / "sent.py", tmp_path / "sent.npy"
    program.write_text(PROGRAM.format(pid=os.getpid()))
    code, out, err = run("-m", "pyebpf", "record", str(program), "-o", str(path), "-s", "0.1")
    assert (code, err) == (0, "")
    assert replay(path)["sent"].received == 0
    assert out.startswith(f"{path}\nsent: 0 received, 0 lost")
