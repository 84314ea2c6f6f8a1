"""Perf events: every name finds its numbers, and what runs is counted where it should be."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyebpf import Hash, PerfEventContext, Session, load, perf_event, u64
from pyebpf.abi.attr import PERF_ATTR_EXCLUDE_HV as EXCLUDE_HV
from pyebpf.abi.attr import PERF_ATTR_EXCLUDE_KERNEL as EXCLUDE_KERNEL
from pyebpf.abi.attr import PERF_ATTR_EXCLUDE_USER as EXCLUDE_USER
from pyebpf.dsl.probes import Probe
from pyebpf.errors import AttachError, KernelError, NotSupportedError
from pyebpf.host.cpus import online
from pyebpf.runtime import perf_names
from pyebpf.runtime.links import counting
from pyebpf.runtime.perf_names import SOURCES, PerfEvent, find_event
from pyebpf.spec.target import FrozenFeatures
from tests.kernel.namespaces import own_cgroup

pytestmark = pytest.mark.kernel

counts = Hash[u64, u64](max_entries=64)
WRITES = 23


@contextmanager
def counting_writes(word: ctypes.c_uint32, **at: int | bool) -> Iterator[Session]:
    """Count the writes to a word of this process."""

    @perf_event(f"mem:{ctypes.addressof(word):#x}/4:w", period=1, **at)  # type: ignore[arg-type]
    def written(ctx: PerfEventContext) -> None:
        counts[1] += 1

    with load(written) as session:
        yield session


def write(word: ctypes.c_uint32, times: int = WRITES) -> None:
    for number in range(times):
        word.value = number


def in_thread(what: Callable[[], None]) -> None:
    thread = threading.Thread(target=what)
    thread.start()
    thread.join()


def in_child(what: Callable[[], None]) -> None:
    pid = os.fork()
    if pid == 0:
        what()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def test_every_thread_of_a_process_is_counted(requires: Callable[[str], None]) -> None:
    requires("perf_inherit_thread")
    word, go = ctypes.c_uint32(), threading.Event()
    early = threading.Thread(target=lambda: (go.wait(), write(word)))
    early.start()
    try:
        with counting_writes(word, pid=os.getpid()) as session:
            write(word)
            assert session[counts][1] == WRITES
            go.set()
            early.join()
            assert session[counts][1] == 2 * WRITES
            in_thread(lambda: write(word))
            assert session[counts][1] == 3 * WRITES
            in_child(lambda: write(word))
            assert session[counts][1] == 3 * WRITES
    finally:
        go.set()
        early.join()
    write(word)


def test_children_are_counted_if_it_is_said() -> None:
    word = ctypes.c_uint32()
    with counting_writes(word, pid=os.getpid(), inherit=True) as session:
        in_child(lambda: write(word))
        in_thread(lambda: write(word))
        assert session[counts][1] == 2 * WRITES
        session.detach()
        in_child(lambda: write(word))
        assert session[counts][1] == 2 * WRITES


def test_without_inheritance_no_child_is_counted() -> None:
    """A kernel that cannot tell threads from children counts the threads that are there."""
    word = ctypes.c_uint32()
    with counting_writes(word, pid=os.getpid()) as session:
        session.detach()
        session.links.features = FrozenFeatures()
        probe = session._found.probes[0]
        with session.attach(probe):
            write(word)
            in_child(lambda: write(word))
            in_thread(lambda: write(word))
            assert session[counts][1] == WRITES


def test_a_process_that_is_not_there_is_named() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with pytest.raises(AttachError, match=f"there is no process {ended.pid}"):
        load(faults_of(pid=ended.pid))


def faults_of(**at: int | str) -> Probe:
    @perf_event("page-faults", period=1, **at)  # type: ignore[arg-type]
    def faults(ctx: PerfEventContext) -> None:
        counts[2] += 1

    return faults


#: Touches pages that nothing has touched, then ends.
TOUCHES = """
import mmap, os, sys
if len(sys.argv) > 1:
    open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
pages = mmap.mmap(-1, 1000 * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
if hasattr(pages, "madvise"):
    pages.madvise(mmap.MADV_NOHUGEPAGE)
for page in range(1000):
    pages[page * mmap.PAGESIZE] = 1
"""


@contextmanager
def counted_cgroup() -> Iterator[Path]:
    """Make a cgroup that perf events can be for."""
    with own_cgroup() as group:
        # On a machine made for the tests nobody has enabled a controller: perf comes with any.
        if "PYEBPF_TESTS_LACK" in os.environ:
            if "pids" not in (group.parent / "cgroup.controllers").read_text().split():
                pytest.skip("no controller `pids` that could be enabled")
            (group.parent / "cgroup.subtree_control").write_text("+pids")
        yield group


def test_a_cgroup_is_counted_and_nothing_else() -> None:
    with counted_cgroup() as group, load(faults_of(cgroup=str(group))) as session:
        subprocess.run([sys.executable, "-c", TOUCHES], check=True)
        assert session[counts].get(2) is None
        subprocess.run([sys.executable, "-c", TOUCHES, str(group)], check=True)
        assert 1000 <= session[counts][2] < 10_000


def test_a_hierarchy_without_controllers_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """There perf events have nothing that belongs to a cgroup."""

    def opens(attr: bytes, pid: int, cpu: int, *, flags: int) -> int:
        raise KernelError(errno.ENOENT, "no such event")

    monkeypatch.setattr(counting.syscall, "perf_event_open", opens)
    with (
        own_cgroup() as group,
        pytest.raises(AttachError, match=r"know nothing of the cgroup .*subtree_control"),
    ):
        load(faults_of(cgroup=str(group)))


def test_a_directory_that_is_no_cgroup_is_named(tmp_path: Path) -> None:
    with pytest.raises(AttachError, match="is no cgroup"):
        load(faults_of(cgroup=str(tmp_path)))
    with pytest.raises(AttachError, match="is no cgroup"):
        load(faults_of(cgroup=str(tmp_path / "none")))


def test_a_cpu_that_is_not_there_is_named() -> None:
    with pytest.raises(AttachError, match=r"CPU 5000 is not online; online are 0"):
        load(faults_of(cpu=5000))


def test_a_cpu_that_goes_away_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was online when the CPUs were listed: then the kernel says that it is not there."""

    def opens(attr: bytes, pid: int, cpu: int, *, flags: int) -> int:
        if cpu == gone:
            raise KernelError(errno.ENODEV, "the CPU is offline")
        return syscall_of_perf(attr, pid, cpu, flags=flags)

    here, gone = online(), 5000
    answers = iter([(*here, gone), here])
    syscall_of_perf = counting.syscall.perf_event_open
    monkeypatch.setattr(counting.syscall, "perf_event_open", opens)
    monkeypatch.setattr(counting, "online", lambda: next(answers))
    with counted_cgroup() as group, load(faults_of(cgroup=str(group))) as session:
        subprocess.run([sys.executable, "-c", TOUCHES, str(group)], check=True)
        assert session[counts][2] >= 1000


def test_a_cpu_that_was_switched_off_is_left_out() -> None:
    switch = Path("/sys/devices/system/cpu/cpu1/online")
    if "PYEBPF_TESTS_LACK" not in os.environ or not switch.exists():
        pytest.skip("CPUs are switched off only on a machine that was made for the tests")
    with counted_cgroup() as group:
        switch.write_text("0")
        try:
            with load(faults_of(cgroup=str(group))) as session:
                subprocess.run([sys.executable, "-c", TOUCHES, str(group)], check=True)
                assert session[counts][2] >= 1000
            with pytest.raises(AttachError, match="CPU 1 is not online; online are 0"):
                load(faults_of(cpu=1))
        finally:
            switch.write_text("1")


def test_the_rate_of_samples_has_a_limit() -> None:
    @perf_event(freq_hz=1 << 40, pid=os.getpid())
    def sample(ctx: PerfEventContext) -> None:
        counts[3] += 1

    with pytest.raises(AttachError, match=r"freq_hz=1099511627776: this kernel samples \d+ times"):
        load(sample)


@pytest.mark.parametrize("often", [{"freq_hz": 0}, {"freq_hz": 0.5}, {"period": 0}, {"period": -1}])
def test_how_often_is_a_whole_number_above_0(often: dict[str, Any]) -> None:
    @perf_event("page-faults", pid=os.getpid(), **often)
    def never(ctx: PerfEventContext) -> None:
        counts[3] += 1

    (word, number), *_ = often.items()
    with pytest.raises(AttachError, match=f"{word}={number}: it takes a whole number above 0"):
        load(never)


def test_a_period_counts_one_in_so_many() -> None:
    word = ctypes.c_uint32()

    @perf_event(f"mem:{ctypes.addressof(word):#x}/4:w", period=10, pid=os.getpid())
    def written(ctx: PerfEventContext) -> None:
        counts[4] += 1

    with load(written) as session:
        write(word, 100)
        assert session[counts][4] == 10


@pytest.mark.parametrize("name", ["cycles", "LLC-load-misses", "r01c2"])
def test_a_machine_without_counters_says_so(name: str) -> None:
    @perf_event(name, period=1_000_000, pid=os.getpid())
    def sample(ctx: PerfEventContext) -> None:
        counts[5] += 1

    if not (SOURCES / "cpu").exists():
        with pytest.raises(NotSupportedError, match=f"cannot count '{name}': it has no counters"):
            load(sample)
        return
    try:
        with load(sample) as session:
            sum(range(30_000_000))
            assert session[counts][5] > 0 or name != "cycles"
    except NotSupportedError as error:
        assert "cannot count" in str(error)  # noqa: PT017 - this processor lacks the event


def test_a_source_that_only_counts_says_so() -> None:
    if not (SOURCES / "msr" / "events" / "tsc").exists():
        pytest.skip("no source `msr`, which counts without interrupting")

    @perf_event("msr/tsc/", period=1_000_000, pid=os.getpid())
    def sample(ctx: PerfEventContext) -> None:
        counts[6] += 1

    with pytest.raises(NotSupportedError, match="'msr/tsc/' can be read, but runs no program"):
        load(sample)


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("cpu-clock", PerfEvent(1, (0, 0, 0))),
        ("cs", PerfEvent(1, (3, 0, 0))),
        ("cycles", PerfEvent(0, (0, 0, 0))),
        ("branch-misses:u", PerfEvent(0, (5, 0, 0), flags=EXCLUDE_KERNEL | EXCLUDE_HV)),
        ("faults:k", PerfEvent(1, (2, 0, 0), flags=EXCLUDE_USER | EXCLUDE_HV)),
        ("L1-dcache-load-misses", PerfEvent(3, (0x10000, 0, 0))),
        ("L1-dcache-loads", PerfEvent(3, (0, 0, 0))),
        ("LLC-stores", PerfEvent(3, (0x102, 0, 0))),
        ("dTLB-prefetches", PerfEvent(3, (0x203, 0, 0))),
        ("node-prefetch-misses", PerfEvent(3, (0x10206, 0, 0))),
        ("r01c2", PerfEvent(4, (0x1C2, 0, 0))),
        ("mem:0x1000", PerfEvent(5, (0, 0x1000, 4), 3)),
        ("mem:4096/8:w", PerfEvent(5, (0, 4096, 8), 2)),
        ("mem:0x1000:x", PerfEvent(5, (0, 0x1000, 8), 4)),
    ],
)  # fmt: skip
def test_names_of_events(name: str, event: PerfEvent) -> None:
    assert find_event(name) == event


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a source of events of our own making."""
    for file, text in {
        "cpu/type": "4\n",
        "cpu/format/event": "config:0-7,32-35\n",
        "cpu/format/umask": "config:8-15\n",
        "cpu/format/edge": "config:18\n",
        "cpu/format/frontend": "config1:0-23\n",
        "cpu/events/cpu-cycles": "event=0x3c\n",
        "cpu/events/mem-stores": "event=0x1cd,umask=0x2\n",
        "cpu/events/mem-stores.scale": "1\n",
        "uncore/type": "17\n",
        "uncore/cpumask": "0,9\n",
        "uncore/format/event": "config:0-7\n",
    }.items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(perf_names, "SOURCES", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("cpu/cpu-cycles/", PerfEvent(4, (0x3C, 0, 0))),
        ("cpu/mem-stores,edge/", PerfEvent(4, (0x1_0004_02CD, 0, 0))),
        ("cpu/event=0xfcd,umask=1,frontend=0x401/", PerfEvent(4, (0xF_0000_01CD, 0x401, 0))),
        ("cpu/config=0x123456789abcdef0,config2=3/", PerfEvent(4, (0x123456789ABCDEF0, 0, 3))),
        ("uncore/event=9/", PerfEvent(17, (9, 0, 0), cpus=(0, 9))),
    ],
)
def test_events_of_sources(sources: Path, name: str, event: PerfEvent) -> None:
    assert find_event(name) == event


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gpu/event=1/", "no source of events 'gpu'; it has cpu, uncore"),
        ("cpu/evnt=1/", "'cpu' has no event and no field 'evnt'; its fields are edge, event, "),
        ("cpu/evnt/", "umask, config, config1, config2, its events cpu-cycles, mem-stores"),
        ("cpu/event=x/", "'x' in the event 'cpu/event=x/' is no number"),
        ("page-falts", "no perf event 'page-falts'; there are cpu-clock"),
        ("sched:sched_switch", "@tracepoint is for tracepoints"),
        ("L1-dcache-load", "no perf event 'L1-dcache-load'"),
    ],
)  # fmt: skip
def test_events_that_are_not_there(sources: Path, name: str, says: str) -> None:
    with pytest.raises(AttachError) as missing:
        find_event(name)
    assert says in str(missing.value)
