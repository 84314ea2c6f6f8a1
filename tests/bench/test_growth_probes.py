"""How attaching and detaching grow with the number of places, each way that programs get there.

The functions are those of a library made for this, which only this process has mapped; the
tracepoints those of a file system, whose programs count.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyebpf import (
    Array,
    Probe,
    RawTracepointContext,
    Session,
    TracepointContext,
    UprobeContext,
    load,
    raw_tracepoint,
    tracepoint,
    u64,
    uprobe,
)
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.links import Link, attach
from pyebpf.runtime.links.closing import close_all
from pyebpf.runtime.tracefs import Tracefs
from tests.bench.report import Curve, Report

pytestmark = [pytest.mark.bench, pytest.mark.kernel]

FUNCTIONS = 10_000
#: To close a perf event takes long: so many of them are enough to see how long.
EVENTS = (1, 10, 100)
#: Which have most tracepoints, and are asked for by nobody here.
FILE_SYSTEMS = ("xfs", "btrfs", "ext4")

runs = Array[u64](max_entries=1)
Times = dict[str, list[tuple[float, float]]]


@raw_tracepoint("sched_process_exec")
def raw(ctx: RawTracepointContext) -> None:
    runs[0] += 1


@tracepoint("sched:sched_process_exec")
def classic(ctx: TracepointContext) -> None:
    runs[0] += 1


def at_functions(library: Path, pattern: str) -> Probe:
    @uprobe(str(library), pattern)
    def called(ctx: UprobeContext) -> None:
        runs[0] += 1

    return called


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a library with many functions."""
    gcc = shutil.which("gcc") or shutil.which("clang")
    if gcc is None:
        pytest.skip("needs gcc or clang")
    folder = tmp_path_factory.mktemp("many")
    source, made = folder / "many.c", folder / "libmany.so"
    lines = (f"int work_{n:05}(int x) {{ return x + {n}; }}" for n in range(FUNCTIONS))
    source.write_text("\n".join(lines), encoding="utf-8")
    subprocess.run([gcc, "-O1", "-shared", "-fPIC", source, "-o", made], check=True)
    return made


@pytest.fixture(scope="module")
def times() -> tuple[Times, Times]:
    return defaultdict(list), defaultdict(list)


@pytest.fixture(scope="module", autouse=True)
def _told(report: Report, times: tuple[Times, Times]) -> Iterator[None]:
    """Draw what all of these measured, together."""
    yield
    for name, what, found in zip(("attach", "detach"), ("Attaching", "Detaching"), times,
                                 strict=True):  # fmt: skip
        if found:
            title = f"{what} one program to many places"
            report.curve(Curve(f"probes-{name}", title, "places", "ms", found))


def test_one_link_to_many_functions(
    report: Report, library: Path, times: tuple[Times, Times], empty_cache: object
) -> None:
    answer = KernelFeatures(keep=False).support("prog:uprobe.multi")
    if answer.support.value != "yes":
        pytest.skip(f"prog:uprobe.multi: {answer.reason}")
    mapped = ctypes.CDLL(str(library))  # the kernel writes breakpoints into what is mapped
    for digits in range(5):
        count = 10**digits
        pattern = f"/work_{'0' * (5 - digits)}.*/"
        probe = at_functions(library, pattern)
        with load(probe, attach=False) as session:
            used = [kernel_bytes()]

            def call(used: list[int] = used) -> None:
                mapped.work_00000(1)
                used.append(kernel_bytes())

            took = [clocked(lambda: [session.attach(probe)], meanwhile=call) for _ in range(3)]  # noqa: B023
            assert session[runs][0] == 3
            note(times, "uprobes, one link for all", count, took)
        if count == FUNCTIONS:
            grown = (min(used[1:]) - used[0]) / 1e6
            report.note(f"{count:,} uprobes by one link: {grown:.1f} MB more of the kernel's slabs")


def test_a_link_to_each_function(
    library: Path, times: tuple[Times, Times], empty_cache: object
) -> None:
    probe = at_functions(library, "work_00000")
    with load(probe, attach=False) as session:
        for count in EVENTS:

            def each(count: int = count) -> list[Link]:
                places = (f"{library}:work_{n:05}" for n in range(count))
                return [session.attach(probe, target=place) for place in places]

            took = [clocked(each) for _ in range(3 if count < 100 else 1)]
            note(times, "uprobes, a link each", count, took)


def clocked(
    make: Callable[[], list[Link]],
    close: Callable[[list[Link]], object] = close_all,
    meanwhile: Callable[[], object] = lambda: None,
) -> tuple[float, float]:
    """Attach and detach; return the milliseconds of each."""
    begin = time.perf_counter()
    links = make()
    attached = time.perf_counter()
    try:
        meanwhile()
    finally:
        middle = time.perf_counter()
        close(links)
        end = time.perf_counter()
    return (attached - begin) * 1e3, (end - middle) * 1e3


def note(
    times: tuple[Times, Times], name: str, count: int, took: list[tuple[float, float]]
) -> None:
    for found, values in zip(times, zip(*took, strict=True), strict=True):
        found[name].append((count, min(values)))


def kernel_bytes() -> int:
    """Return how much memory the kernel has in slabs and per CPU, all of it."""
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    rows = dict(line.split(":") for line in text.splitlines())
    return sum(int(rows[name].split()[0]) for name in ("Slab", "Percpu")) * 1024


@pytest.fixture(scope="module")
def names() -> list[str]:
    """Give tracepoints that nothing here runs into, or hardly."""
    with Tracefs() as tracefs:
        known = tracefs.names()
    by_system = {s: [n for n in known if n.startswith(f"{s}:")] for s in FILE_SYSTEMS}
    return max(by_system.values(), key=len)


def each_place(
    session: Session, probe: Probe, kind: str, hooks: list[str], tracefs: Tracefs
) -> list[Link]:
    fd = session._loaded.programs[probe.name].fd
    features = session.links.features
    return [
        attach(fd, PROGRAM_KINDS[kind], hook, tracefs=tracefs, features=features) for hook in hooks
    ]


def test_tracepoints(
    report: Report, names: list[str], times: tuple[Times, Times], empty_cache: object
) -> None:
    def in_turn(links: list[Link]) -> None:
        for link in links:
            link.close()

    with load(raw, classic, attach=False) as session, Tracefs() as tracefs:
        for count in (*EVENTS, len(names)):
            some = names[:count]
            bare = [name.partition(":")[2] for name in some]
            make = lambda: each_place(session, raw, "raw_tracepoint", bare, tracefs)  # noqa: B023, E731
            note(times, "raw tracepoints", count, [clocked(make) for _ in range(3)])
        for count in EVENTS:
            some = names[:count]
            make = lambda: each_place(session, classic, "tracepoint", some, tracefs)  # noqa: B023, E731
            rounds = range(3 if count < 100 else 1)
            together = [clocked(make) for _ in rounds]
            note(times, "tracepoints (perf events)", count, together)
            note(times, "the same, closed in turn", count, [clocked(make, in_turn) for _ in rounds])
    report.note(f"tracepoints: those of {names[0].partition(':')[0]}, {os.cpu_count()} CPUs")
