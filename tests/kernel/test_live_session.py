"""``session.live``: what probes count shows while it runs, to the last event."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from pyebpf import (
    Array,
    Events,
    FixedArray,
    Global,
    Hash,
    Log2Hist,
    PerCpuHash,
    RawTracepointContext,
    array,
    load,
    raw_tracepoint,
    record,
    u64,
)
from pyebpf.errors import PyebpfError

pytestmark = pytest.mark.kernel

TIMES = 23


@record
class Entered:
    number: u64


@record
class Left:
    number: u64
    result: u64


@record
class Pair:
    numbers: FixedArray[u64] = array(2)


calls = Hash[u64, u64](max_entries=64)
on_cpus = PerCpuHash[u64, u64](max_entries=64)
slots = Array[u64](max_entries=4)
sizes = Log2Hist(unit="bytes")
entered = Events[Entered]()
either = Events[Entered | Left](pages=4)
last = Global[u64](0)
arrays = Hash[u64, Pair](max_entries=4)


@raw_tracepoint("sys_enter")
def enter(ctx: RawTracepointContext) -> None:
    calls[ctx.args[1]] += 1
    on_cpus[ctx.args[1]] += 1
    slots[ctx.args[1] & 3] += 1
    sizes.add(ctx.args[1])
    entered.emit(Entered(number=ctx.args[1]))


@raw_tracepoint("sys_enter")
def nothing_kept(ctx: RawTracepointContext) -> None:
    return


def test_all_views_are_drawn_until_an_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    drawn = threading.Event()

    def work() -> None:
        drawn.wait()
        for turn in range(TIMES):
            session.test_run(enter, 0, 2 if turn % 3 else 9)
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    with load(enter, attach=False) as session:
        thread = threading.Thread(target=work)
        thread.start()
        views = (calls, on_cpus, slots, sizes, entered, drawn.set)
        table, each_cpu, array, hist, records, _ = session.live(*views, interval=0.05)
        thread.join()
    assert hist.count == TIMES == len(records)
    assert records["number"].tolist().count(9) == 8
    for entries in (table, each_cpu):
        assert [row.split() for row in str(entries).splitlines()] == [
            ["key", "value"],
            ["2", "15"],
            ["9", "8"],
        ]
    assert str(array).splitlines()[1].split() == ["2", "15"]
    said = capsys.readouterr().out
    assert "running" in said
    assert "Traceback" not in said
    assert f"{TIMES} received, 0 lost" in said.rpartition("entered:")[2]


@raw_tracepoint("sys_enter")
def of_two(ctx: RawTracepointContext) -> None:
    last.value = ctx.args[1]
    pair = arrays.setdefault(ctx.args[1], Pair())
    pair.numbers[1] = 7
    either.emit(Entered(number=ctx.args[1]))
    either.emit(Left(number=ctx.args[1], result=77))


@pytest.mark.thorough
def test_streams_of_several_types_globals_and_arrays(capsys: pytest.CaptureFixture[str]) -> None:
    with load(of_two, attach=False) as session:
        for number in (5, 6):
            session.test_run(of_two, 0, number)
        batch, value, table = session.live(either, last, arrays, seconds=0)
        assert batch[Entered]["number"].tolist() == [5, 6]
        assert batch[Left]["result"].tolist() == [77, 77]
        assert value == 6
        assert len(table) == 2
        assert "'last' 6" in str(session[last])
        assert "[0, 7]" in session[arrays]._repr_html_()
        assert session[last]._repr_html_() is None
    said = capsys.readouterr().out
    assert "number  result\n     5      77\n     6      77" in said
    assert "4 received, 0 lost" in said


@pytest.mark.thorough
def test_a_stream_gives_its_last_thousand_records() -> None:
    with load(enter, attach=False) as session:
        for _ in range(3):
            for number in range(400):
                session.test_run(enter, 0, number)
            records = session.live(entered, seconds=0)
        assert records["number"].tolist() == list(range(400))  # of each call, what came since
        for _ in range(3):
            for number in range(400):
                session.test_run(enter, 0, number)
        records = session.live(entered, seconds=0)
        assert records["number"].tolist() == [n % 400 for n in range(200, 1_200)]


def test_without_views_it_is_the_aggregates() -> None:
    with load(enter, attach=False) as session:
        session.test_run(enter, 0, 700)
        assert session.live(seconds=0).counts[9] == 1


@pytest.mark.thorough
def test_what_makes_no_sense_is_refused() -> None:
    with load(enter, attach=False) as session:
        with pytest.raises(ValueError, match="so many seconds, not 0"):
            session.live(sizes, interval=0)
        with pytest.raises(KeyError):
            session.live(Log2Hist())
    with load(nothing_kept, attach=False) as session, pytest.raises(PyebpfError, match="nothing"):
        session.live(seconds=0)


def test_maps_draw_themselves() -> None:
    with load(enter, attach=False) as session:
        session.test_run(enter, 0, 2)
        html = session[calls]._repr_html_()
        assert html.count("<tr>") == 2
        assert ">2</td>" in html
        assert session[calls].top(0).names == ("key", "value")
