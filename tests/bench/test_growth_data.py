"""How reading grows: with the entries of a map, different stacks, producers of records."""

from __future__ import annotations

import gc
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyebpf import Hash, StackTrace, UprobeContext, i64, load, record, tgid, u32, u64, uprobe
from pyebpf.abi import constants as c
from pyebpf.dsl.probes import Probe
from pyebpf.spec.types import U32, U64
from tests.bench.report import Curve, Report
from tests.bench.test_events import BURST, Producers, eight, send_eight
from tests.bench.test_reading import created

pytestmark = [pytest.mark.bench, pytest.mark.kernel]

ENTRIES = tuple(10**n for n in range(8))
#: A million stacks fill half of that.
ROOM = 1 << 21
DEPTH = 20
STACKS = tuple(10**n for n in range(7))
PRODUCERS, RUNS = (1, 2, 3, 4, 8), 4_000


def test_entries_of_a_map(report: Report) -> None:
    lines: dict[str, list[tuple[float, float]]] = {"hash": [], "array": []}
    for count in ENTRIES:
        lines["hash"].append((count, of_hash(count)))
        lines["array"].append((count, of_array(count)))
    report.curve(
        Curve("entries", "A snapshot of all entries of a map", "entries", "ms of CPU", lines)
    )
    per_entry = {n: [(x, y * 1e6 / x) for x, y in line] for n, line in lines.items()}
    report.curve(
        Curve("entries-each", "The same, for each entry", "entries", "ns of CPU", per_entry)
    )


def of_hash(count: int) -> float:
    with created(c.BPF_MAP_TYPE_HASH, "hash", count, U64) as table:
        keys = np.arange(count, dtype=np.uint64) * 7
        table.update_many(keys, keys + 1)
        found, values = table.snapshot()
        assert len(found) == count
        assert (values == found + 1).all()
        return snapshot_ms(table, count)


def of_array(count: int) -> float:
    with created(c.BPF_MAP_TYPE_ARRAY, "array", count, U32) as slots:
        assert len(slots.snapshot()[1]) == count
        return snapshot_ms(slots, count)


def snapshot_ms(table: Any, count: int) -> float:
    loops = max(1, 1_000 // count)
    return min(cpu_ms(table.snapshot, loops) for _ in range(15 if count <= 10**5 else 3))


def cpu_ms(run: Callable[[], object], loops: int = 1) -> float:
    """Return the CPU time of one run: what others do on the machine is not in it."""
    gc.collect()
    begin = time.process_time()
    for _ in range(loops):
        run()
    return (time.process_time() - begin) / loops * 1e3


@record
class Key:
    pid: u32
    user: i64


stacks = StackTrace(max_entries=ROOM, depth=DEPTH + 4)
counts = Hash[Key, u64](max_entries=ROOM)

#: Each number has a stack of its own: its bits say which of two functions calls the next one.
SOURCE = """
#include <stdio.h>
#include <time.h>
__attribute__((noinline)) long leaf(long n) { __asm__ volatile("" ::: "memory"); return n; }
static long one(long n, int left);
__attribute__((noinline)) static long zero(long n, int left) {
    return 1 + (left == 0 ? leaf(n) : n & 1 ? one(n >> 1, left - 1) : zero(n >> 1, left - 1));
}
__attribute__((noinline)) static long one(long n, int left) {
    return 2 + (left == 0 ? leaf(n) : n & 1 ? one(n >> 1, left - 1) : zero(n >> 1, left - 1));
}
int main(void) {
    long count, sum = 0;
    while (scanf("%ld", &count) == 1) {
        struct timespec a, b;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
        for (long n = 0; n < count; n++) sum += zero(n, DEPTH);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
        printf("%ld\\n", (b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec);
        fflush(stdout);
    }
    return sum == 42;
}
"""


@contextmanager
def walking(folder: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    gcc = shutil.which("gcc") or shutil.which("clang")
    if gcc is None:
        pytest.skip("needs gcc or clang")
    source, made = folder / "walk.c", folder / "walk"
    source.write_text(SOURCE, encoding="utf-8")
    keep = ["-fno-omit-frame-pointer", "-fno-optimize-sibling-calls"]
    subprocess.run([gcc, "-O1", *keep, f"-DDEPTH={DEPTH}", source, "-o", made], check=True)
    with subprocess.Popen([made], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield made, process
        process.stdin.close()  # type: ignore[union-attr]


def at_leaf(binary: Path, pid: int) -> Probe:
    @uprobe(str(binary), "leaf", pid=pid)
    def on_leaf(ctx: UprobeContext) -> None:
        counts[Key(pid=tgid(), user=stacks.user())] += 1

    return on_leaf


def test_different_stacks(report: Report, tmp_path: Path, empty_cache: object) -> None:
    kept: list[tuple[float, float]] = []
    named: list[tuple[float, float]] = []
    lost: list[tuple[float, float]] = []
    with walking(tmp_path) as (binary, process):
        for count in STACKS:
            with load(at_leaf(binary, process.pid)) as session:
                kept.append((count, walk(process, count) / count))
                begin = time.process_time()
                found = session[stacks].counts(session[counts])
                named.append((count, (time.process_time() - begin) * 1e3))
                missing = sum(session.lost().values())
                lost.append((count, 100 * missing / count))
                assert found.total == count
    report.curve(
        Curve("stacks", "Naming different stacks", "stacks", "ms of CPU", {"named": named})
    )
    each = {"a hit: uprobe, stack, count": kept}
    report.curve(Curve("stacks-hit", "Keeping different stacks", "stacks", "ns of CPU", each))
    title = f"Stacks without a place, of a map with room for {ROOM:,}"
    report.curve(Curve("stacks-lost", title, "stacks", "% lost", {"lost": lost}))


def walk(process: subprocess.Popen[bytes], count: int) -> int:
    """Let the program make so many stacks; return the nanoseconds of CPU that it took."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"%d\n" % count)
    process.stdin.flush()
    return int(process.stdout.readline())


def test_producers_of_records(report: Report, empty_cache: object) -> None:
    rates: list[tuple[float, float]] = []
    read: list[tuple[float, float]] = []
    for producers in PRODUCERS:
        sent, took, missing = produced(producers)
        rates.append((producers, sent / took / 1e6))
        read.append((producers, (sent - missing) / took / 1e6))
    title = "Records of several producers in one ring buffer, read meanwhile"
    report.curve(
        Curve("producers", title, "producers", "millions/s", {"sent": rates, "read": read})
    )


def produced(producers: int) -> tuple[int, float, int]:
    """Send as many records as ever, by more producers; return how many, seconds, lost ones."""
    runs = RUNS // producers
    with load(send_eight, attach=False) as session:
        stream = session[eight]
        begin = time.perf_counter()
        with Producers(session, send_eight, producers, runs) as is_running:
            while is_running() or stream.pending_bytes:
                stream.read(0.01)
        took = time.perf_counter() - begin
        sent = runs * producers * BURST
        assert stream.received + stream.lost == sent
        return sent, took, stream.lost
