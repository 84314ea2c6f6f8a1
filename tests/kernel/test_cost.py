"""What programs cost, on a known number of runs; and the ceiling, that detaches what costs more."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyebpf import (
    Array,
    Hash,
    RawTracepointContext,
    Session,
    UprobeContext,
    i32,
    load,
    lsm,
    raw_tracepoint,
    u64,
    uprobe,
    uretprobe,
    usdt,
)
from pyebpf.errors import KernelError, NotSupportedError, PyebpfError
from pyebpf.runtime import policy, syscall
from tests.kernel.privileges import lift_memory_limit, with_only
from tests.kernel.running import cell
from tests.kernel.speakers import compiled
from tests.programs import until
from tests.tools.called import built, functions

pytestmark = pytest.mark.kernel

PAGE = Path(__file__).resolve().parents[2] / "docs" / "overhead.md"

ME = os.getpid()
HITS, LATER = 23, 7
counts = Array[u64](max_entries=1)
seen = Hash[u64, u64](max_entries=8)


@pytest.fixture(scope="module")
def library(program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(program, tmp_path_factory.mktemp("called"))


@raw_tracepoint("sys_enter")
def runs(ctx: RawTracepointContext) -> None:
    counts[0] += 1


def fire(session: Session, times: int) -> None:
    for _ in range(times):
        session.test_run(runs, 0, 0)


def test_every_run_is_a_hit() -> None:
    with load(runs, attach=False, measure_cost=True) as session:
        fire(session, HITS)
        cost = session.cost()["runs"]
        assert (cost.hits, cost.misses) in ((HITS, 0), (HITS, None))
        assert cost.time_ns is not None
        assert cost.time_ns > 0
        assert cost.hook == "raw_tracepoint sys_enter"
        assert session[counts][0] == HITS


def test_a_meter_counts_from_where_it_began_and_by_laps() -> None:
    with load(runs, attach=False) as session:
        fire(session, HITS)
        with pytest.raises(PyebpfError, match="nothing is measured"):
            session.cost()
        with session.measure_cost() as meter:
            fire(session, LATER)
            assert meter.cost()["runs"].hits == meter.lap()["runs"].hits == LATER
            fire(session, HITS)
            assert meter.lap()["runs"].hits == HITS
            assert session.cost()["runs"].hits == LATER + HITS
        fire(session, HITS)
        assert meter.cost()["runs"].hits == LATER + HITS
        with pytest.raises(PyebpfError, match="nothing is measured"):
            session.cost()
        outer = session.measure_cost()
        fire(session, LATER)
    assert outer.cost()["runs"].hits == LATER  # what a session has closed can be read
    with pytest.raises(PyebpfError, match="the session is closed"):
        session.measure_cost()


def test_statistics_are_on_only_while_somebody_measures() -> None:
    if policy.statistics_enabled():
        pytest.skip("kernel.bpf_stats_enabled is 1: the kernel times all programs anyway")
    with load(runs, attach=False) as session:
        fd = session._loaded.programs["runs"].fd
        fire(session, HITS)
        before = syscall.run_stats(fd).runs
        with session.measure_cost(), session.measure_cost():
            fire(session, LATER)
        fire(session, HITS)
        # Somebody else may measure at the same time; then it is more.
        assert syscall.run_stats(fd).runs - before in (LATER, LATER + HITS)


@pytest.mark.thorough
def test_a_second_of_it() -> None:
    with load(runs, attach=False) as session:
        cost = session.cost(0.05)
        assert cost["runs"].hits == 0
        assert cost.seconds >= 0.05


@pytest.mark.thorough
@pytest.mark.exact
def test_uprobes_are_counted_until_they_are_detached(library: Path) -> None:
    @uprobe(str(library), "leaf", pid=ME)
    def enters(ctx: UprobeContext) -> None:
        seen[1] += 1

    @uretprobe(str(library), "leaf", pid=ME)
    def leaves(ctx: UprobeContext) -> None:
        seen[2] += 1

    called = functions(library)
    with load(enters, leaves, measure_cost=True) as session:
        for number in range(HITS):
            called.by_one_way(number)
        session.detach()
        before = session.cost()
        called.by_one_way(0)
        time.sleep(0.01)
        after = session.cost()
        assert [after[name].hits for name in ("enters", "leaves")] == [HITS, HITS]
        assert after.seconds == before.seconds  # when all is detached, no time goes by
        assert session[seen][1] == session[seen][2] == HITS
        for cost in after.values():  # a trap takes its time
            assert cost.entry_ns is not None
            assert cost.entry_ns > 0


@pytest.mark.exact
def test_programs_that_are_loaded_once_more_are_counted(library: Path) -> None:
    """One is, where the kernel attaches to many places one by one, and they have numbers."""

    @uprobe(str(library), "by_*", pid=ME, cookies={"by_one_way": 1, "by_another_way": 2})
    def enters(ctx: UprobeContext) -> None:
        seen[3] += 1

    called = functions(library)
    try:
        session = load(enters, measure_cost=True)
    except NotSupportedError as error:
        pytest.skip(str(error))
    with session:
        for number in range(HITS):
            called.by_one_way(number)
        for number in range(LATER):
            called.by_another_way(number)
        assert session.cost()["enters"].hits == session[seen][3] == HITS + LATER


@pytest.mark.thorough
@pytest.mark.exact
def test_usdt_probes_are_counted(tmp_path: Path, program: Callable[[str], str]) -> None:
    speech = speaking_probes(tmp_path, program)

    @usdt(str(speech), "says", pid=ME)
    def says(ctx: UprobeContext, number: u64) -> None:
        seen[4] += number

    called = ctypes.CDLL(str(speech))
    with load(says, attach=False, measure_cost=True) as session:
        for _ in range(2):  # the second time, what was loaded for the first is taken
            with session.attach(says):
                for number in range(HITS):
                    called.say(number)
        assert session.cost()["says"].hits == 2 * HITS
        assert session[seen][4] == 2 * sum(range(HITS))
        assert len(session._loaded.programs["says"].loaded()) == 2


SAYS = """
#include <sys/sdt.h>
void say(int number) { DTRACE_PROBE1(speech, says, number); }
"""


def speaking_probes(folder: Path, program: Callable[[str], str]) -> Path:
    if not shutil.which("dtrace"):
        pytest.skip("needs sys/sdt.h (Debian package systemtap-sdt-dev)")
    return compiled(program, folder / "libspeech.so", SAYS, "-shared", "-fPIC")


@contextmanager
def busy(call: Callable[[int], object]) -> Iterator[None]:
    """Let a thread call something all the time."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            call(1)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_what_costs_too_much_is_detached_and_can_be_read(library: Path) -> None:
    @uprobe(str(library), "leaf", pid=ME)
    def enters(ctx: UprobeContext) -> None:
        seen[5] += 1

    called = functions(library)
    with (
        load(enters, max_overhead=0.001) as session,
        warnings.catch_warnings(record=True) as said,
    ):
        warnings.simplefilter("always")
        with busy(called.by_one_way):
            until(lambda: session.exceeded is not None)
        exceeded = session.exceeded
        assert exceeded is not None
        assert exceeded.percent > exceeded.ceiling_percent == 0.001
        until(lambda: len(said) > 0)
        assert str(said[0].message).startswith("detached: the probes took ")
        assert "most of it `enters` at uprobe " in str(said[0].message)
        assert session.attached(enters) == []
        hits = session.cost()["enters"].hits
        called.by_one_way(1)
        assert session.cost()["enters"].hits == hits == session[seen][5]  # nothing is lost


def test_what_costs_little_stays_attached(library: Path) -> None:
    @uprobe(str(library), "leaf", pid=ME)
    def enters(ctx: UprobeContext) -> None:
        seen[6] += 1

    found: list[object] = []
    called = functions(library)
    with load(enters, measure_cost=True) as session:
        session.limit_overhead(50, found.append)
        end = time.monotonic() + 1.2  # the ceiling has looked once
        while time.monotonic() < end:
            called.by_one_way(1)
            time.sleep(0.01)
        assert found == []
        assert session.exceeded is None
        assert len(session.attached(enters)) == 1
        session.limit_overhead(0.000001, found.append)  # another ceiling, instead
        with busy(called.by_one_way):
            until(lambda: bool(found))
        assert found == [session.exceeded]


@pytest.mark.thorough
def test_a_session_can_be_closed_by_who_is_told(library: Path) -> None:
    @uprobe(str(library), "leaf", pid=ME)
    def enters(ctx: UprobeContext) -> None:
        seen[7] += 1

    called = functions(library)
    session = load(enters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        session.limit_overhead(0.000001, lambda _: session.close())
        with busy(called.by_one_way):
            until(lambda: session._closed)
    session.close()
    assert session.exceeded is not None


def test_the_capability_is_named() -> None:
    if policy.statistics_enabled():
        pytest.skip("kernel.bpf_stats_enabled is 1: it takes no capability here")

    def refused() -> None:
        with load(runs, attach=False) as session, pytest.raises(KernelError) as found:
            session.measure_cost()
        assert found.value.capability == "CAP_SYS_ADMIN"
        assert "kernel.bpf_stats_enabled" in str(found.value)

    lift_memory_limit()
    with_only(("CAP_BPF", "CAP_PERFMON"), refused)


@pytest.mark.thorough
def test_the_capability_is_enough() -> None:
    def measured() -> None:
        with load(runs, attach=False, measure_cost=True) as session:
            fire(session, HITS)
            assert session.cost()["runs"].hits == HITS

    lift_memory_limit()
    with_only(("CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN"), measured)


def test_programs_that_may_sleep() -> None:
    @lsm("bprm_committed_creds", sleepable=True)
    def starts() -> i32:
        return 0

    try:
        session = load(starts, attach=False, measure_cost=True)
    except PyebpfError as error:
        pytest.skip(f"no such program here: {error}")
    with session:
        cost = session.cost()["starts"]
        if cost.misses is None:
            assert cost.hits is None
            with pytest.raises(NotSupportedError, match="starts may sleep"):
                session.limit_overhead(1)
        else:
            assert cost.hits == 0
            session.limit_overhead(1)


@pytest.mark.exact
@pytest.mark.thorough
def test_the_block_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    cell(block, "overhead")
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("PROGRAM ")
    assert out[3].split()[0] == "1000"
    assert out[6] == "1"
