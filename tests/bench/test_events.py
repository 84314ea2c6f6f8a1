"""Streams of records: what a record costs to read, and what is read while programs send.

Beside ours stand a consumer in C, compiled here against libbpf, and libbpf with a Python function
for each record.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyebpf import (
    Char,
    Events,
    FixedArray,
    RawTracepointContext,
    Session,
    array,
    chars,
    load,
    raw_tracepoint,
    record,
    u64,
)
from pyebpf.dsl.probes import Probe
from tests.bench import libbpf
from tests.bench.consumer import compiled, consumer
from tests.bench.measure import Sample, sample, timed
from tests.bench.report import Report
from tests.kernel.running import fire

pytestmark = [pytest.mark.bench, pytest.mark.kernel]

#: Records in a batch, and how many of them one run of a program makes.
RECORDS, BURST = 100_000, 1_000
#: Records of the long run, and the programs that send them at once.
MANY, PRODUCERS = 100_000_000, 3
LIVE_RUNS = 2_000


@record
class Eight:
    number: u64


@record
class ThirtyTwo:
    number: u64
    rest: FixedArray[u64] = array(3)


@record
class Large:
    number: u64
    rest: FixedArray[u64] = array(31)


@record
class Named:
    number: u64
    path: Char = chars(248)


eight = Events[Eight](pages=4096)
thirty_two = Events[ThirtyTwo](pages=4096)
large = Events[Large](pages=8192)
mixed = Events[ThirtyTwo | Eight](pages=4096)
named = Events[Named](pages=8192, trim=True)
by_cpu = Events[ThirtyTwo](pages=4096, perf=True)


@raw_tracepoint("sys_enter")
def send_eight(ctx: RawTracepointContext) -> None:
    for number in range(BURST):
        with eight.reserve() as e:
            e.number = number


@raw_tracepoint("sys_enter")
def send_thirty_two(ctx: RawTracepointContext) -> None:
    for number in range(BURST):
        with thirty_two.reserve() as e:
            e.number = number


@raw_tracepoint("sys_enter")
def send_large(ctx: RawTracepointContext) -> None:
    for number in range(BURST):
        with large.reserve() as e:
            e.number = number


@raw_tracepoint("sys_enter")
def send_mixed(ctx: RawTracepointContext) -> None:
    for number in range(BURST // 2):
        with mixed.reserve(ThirtyTwo) as e:
            e.number = number
        with mixed.reserve(Eight) as f:
            f.number = number


@raw_tracepoint("sys_enter")
def send_named(ctx: RawTracepointContext) -> None:
    for number in range(BURST):
        with named.reserve() as e:
            e.number = number
            e.path.read_user_str(ctx.args[0] + number % 32)


@raw_tracepoint("sys_enter")
def send_by_cpu(ctx: RawTracepointContext) -> None:
    for number in range(BURST):
        with by_cpu.reserve() as e:
            e.number = number


CASES: dict[str, tuple[Probe, Events[Any], int]] = {
    "8 bytes": (send_eight, eight, 8),
    "32 bytes": (send_thirty_two, thirty_two, 32),
    "256 bytes": (send_large, large, 256),
    "32 and 8 bytes, tagged": (send_mixed, mixed, 40),
    "8 bytes and a text of 33 to 64": (send_named, named, 256),
    "32 bytes, perf events": (send_by_cpu, by_cpu, 32),
}


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL | None:
    return compiled(tmp_path_factory.mktemp("consumer"))


@pytest.mark.parametrize("case", CASES)
def test_records_to_numpy(
    case: str, report: Report, empty_cache: object, lib: ctypes.CDLL | None
) -> None:
    probe, events, size = CASES[case]
    text = ctypes.create_string_buffer(
        b"/usr/lib/python3/dist-packages/numpy/_core/umath.so".rjust(64)
    )
    with load(probe, attach=False) as session:
        stream = session[events]

        def fill() -> None:
            for _ in range(RECORDS // BURST):
                fire(session, probe, ctypes.addressof(text))

        fill()
        check(len(stream.read()))
        took = timed(lambda: check(len(stream.read())), 15, before=fill)
        beside = [] if events.perf else by_libbpf(lib, stream.fileno(), size, fill)
        assert session.lost() == {}
    per_record = took.scaled(1e9 / RECORDS)
    report.add(f"records to numpy, {case}", "ns", per_record, 25, beside)
    if not beside and not events.perf:
        report.note("gcc or libbpf.so.1 is not here: the ring buffer is shown alone")


def by_libbpf(
    lib: ctypes.CDLL | None, fd: int, size: int, fill: Callable[[], None]
) -> list[tuple[str, Sample]]:
    """Read the same buffer with libbpf: once into an array in C, once into Python."""
    python = libbpf.library()
    if lib is None or python is None:
        return []
    with consumer(lib, fd, RECORDS * size) as ring:
        in_c = timed(lambda: check(ring.take()), 15, before=fill)
    taken: list[bytes] = []

    def take(context: int, data: int, length: int) -> int:
        taken.append(ctypes.string_at(data, length))
        return 0

    def again() -> None:
        taken.clear()
        fill()

    callback = libbpf.CALLBACK(take)
    with libbpf.ring(python, fd, callback) as ring:
        in_python = timed(lambda: check(python.ring_buffer__consume(ring)), 3, before=again)
    assert len(taken) == RECORDS
    scale = 1e9 / RECORDS
    return [
        ("C with libbpf", in_c.scaled(scale)),
        ("a Python function for each", in_python.scaled(scale)),
    ]


def check(records: int) -> None:
    assert records == RECORDS, f"{records} of {RECORDS} records came"


@pytest.mark.parametrize("case", ["8 bytes", "32 bytes", "256 bytes"])
def test_reading_while_a_program_sends(
    case: str, report: Report, empty_cache: object, lib: ctypes.CDLL | None
) -> None:
    probe, events, size = CASES[case]
    with load(probe, attach=False) as session:
        stream, rates = session[events], list[float]()
        for _ in range(3):
            begin, before = time.perf_counter(), stream.received
            with Producers(session, probe, 1, LIVE_RUNS) as is_running:
                while is_running() or stream.pending_bytes:
                    stream.read(0.01)
            assert stream.received + stream.lost == (len(rates) + 1) * LIVE_RUNS * BURST
            rates.append((time.perf_counter() - begin) / (stream.received - before) * 1e9)
        buffer = f"{stream.size >> 20} MiB, {stream.fullest:.0%} full at most, {stream.lost} lost"
        beside = in_c_meanwhile(lib, session, probe, stream, size) if lib else []
    report.add(f"sent, read and in numpy meanwhile, {case}", "ns", sample(rates), None, beside)
    rate = 1e3 / min(rates)
    report.note(f"read while one CPU sends, {case}: {rate:.1f} million a second, {buffer}")


def in_c_meanwhile(
    lib: ctypes.CDLL, session: Session, probe: Probe, stream: Any, size: int
) -> list[tuple[str, Sample]]:
    rates = []
    for _ in range(3):
        lost = stream.lost
        with consumer(lib, stream.fileno(), RECORDS * size) as ring:
            reader = threading.Thread(target=ring.run)
            begin = time.perf_counter()
            reader.start()
            with Producers(session, probe, 1, LIVE_RUNS):
                pass
            ring.stop.value = 1
            reader.join()
            assert ring.records + stream.lost - lost == LIVE_RUNS * BURST
            rates.append((time.perf_counter() - begin) / ring.records * 1e9)
    return [("C with libbpf", sample(rates))]


class Producers:
    """Threads that run a program again and again; Python's lock is free meanwhile."""

    def __init__(self, session: Session, probe: Probe, count: int, runs: int) -> None:
        def work() -> None:
            for _ in range(runs):
                fire(session, probe)

        self._threads = [threading.Thread(target=work) for _ in range(count)]

    def __enter__(self) -> Callable[[], bool]:
        for thread in self._threads:
            thread.start()
        return lambda: any(thread.is_alive() for thread in self._threads)

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()


def test_a_hundred_million_records_from_several_programs(
    report: Report, empty_cache: object
) -> None:
    """What was produced is what was received and what was lost."""
    runs = MANY // BURST // PRODUCERS + 1
    with load(send_eight, attach=False) as session:
        stream = session[eight]
        total, begin = np.uint64(0), time.perf_counter()
        with Producers(session, send_eight, PRODUCERS, runs) as is_running:
            while is_running() or stream.pending_bytes:
                batch = stream.read(0.01)
                total += batch["number"].sum()
        seconds = time.perf_counter() - begin
        produced = runs * PRODUCERS * BURST
        assert stream.received + stream.lost == produced >= MANY
        if not stream.lost:
            assert int(total) == runs * PRODUCERS * (BURST * (BURST - 1) // 2)
        report.note(
            f"{produced:,} records of {PRODUCERS} programs at once in {seconds:.1f} s: "
            f"{stream.received:,} received + {stream.lost:,} lost, a buffer of "
            f"{stream.size >> 20} MiB, {stream.fullest:.0%} full at most"
        )
