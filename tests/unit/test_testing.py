"""Probes that run without a kernel: what they do to maps, and what is said of wrong ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyebpf import (
    Array,
    Char,
    Const,
    Events,
    Global,
    Hash,
    Log2Hist,
    LruHash,
    PerCpuArray,
    Ptr,
    RawTracepointContext,
    StackTrace,
    TailCalls,
    TracepointContext,
    chars,
    comm,
    current_task,
    i32,
    ktime_get_ns,
    raw_tracepoint,
    record,
    testing,
    tgid,
    tid,
    tp_btf,
    tracepoint,
    u32,
    u64,
)
from pyebpf.errors import MapFullError
from pyebpf.kernel import request, task_struct

started = Hash[Ptr[request], u64](max_entries=2)
latency = Log2Hist(unit="us")


@tp_btf("block_rq_issue")
def issue(rq: Ptr[request]) -> None:
    started[rq] = ktime_get_ns()


@tp_btf("block_rq_complete")
def complete(rq: Ptr[request], error: i32, nr_bytes: u32) -> None:
    begin = started.pop(rq)
    if begin is not None:
        latency.add((ktime_get_ns() - begin) // 1_000)


def test_the_latency_of_block_requests() -> None:
    with testing.run(issue, complete) as t:
        t.set("ktime_get_ns", [1_000, 2_000, 5_000, 10_000])
        first, second = t.kernel(request), t.kernel(request, q={"disk": {"first_minor": 3}})
        t.fire(issue, rq=first)
        t.fire(issue, rq=second)
        assert dict(t[started].items()) == {first.address: 1_000, second.address: 2_000}
        t.fire(complete, rq=first, error=0, nr_bytes=512)
        t.fire(complete, rq=second, error=0, nr_bytes=512)
        t.fire(complete, rq=second, error=0, nr_bytes=512)  # not started
        counts = t[latency].counts
        assert counts.dtype == np.uint64
        assert counts[2:4].tolist() == [1, 1]
        assert counts.sum() == 2
        assert len(t[started]) == 0
        assert "4 -> 7" in str(t[latency])
        assert t.coverage().missed == 0


def test_a_full_map_is_counted() -> None:
    with testing.run(issue, complete) as t:
        for _ in range(5):
            t.fire(issue, rq=t.kernel(request))
        assert len(t[started]) == 2
        assert t.lost() == {"started": 3}
        with pytest.raises(MapFullError, match="max_entries"):
            t[started][7] = 8


def test_coverage_shows_the_lines_that_did_not_run() -> None:
    with testing.run(issue, complete) as t:
        t.fire(complete, t.kernel(request), 0, 0)
        report = t.coverage()
        assert report[issue].executed == ()
        assert len(report["complete"].executed) == 2
        assert len(report["complete"].missed) == 1
        text = str(report)
        assert "complete (" in text
        assert "2 of 3 lines" in text
        assert [line for line in text.splitlines() if line.startswith("!")][-1].endswith(
            "latency.add((ktime_get_ns() - begin) // 1_000)"
        )


@record
class Switch:
    prev: i32
    following: i32
    comm: Char = chars(16)


switches = Events[Switch](pages=1)
pairs = LruHash[tuple[i32, i32], u64](max_entries=2)


@tracepoint("sched:sched_switch")
def switch(ctx: TracepointContext) -> None:
    pairs[ctx.prev_pid, ctx.next_pid] += 1
    with switches.reserve() as event:
        event.prev, event.following, event.comm = ctx.prev_pid, ctx.next_pid, ctx.prev_comm
    print(f"{ctx.prev_comm} -> {ctx.next_pid:5d}")


def test_the_fields_of_a_tracepoint() -> None:
    with testing.run(switch) as t:
        for following in (2, 2, 3, 4):
            t.fire(switch, prev_pid=-1, next_pid=following, prev_comm="bash")
        events = t.events(switches)
        assert events["following"].tolist() == [2, 2, 3, 4]
        assert events[0].tolist() == (-1, 2, b"bash")
        assert len(t.events(switches)) == 0
        assert t.printed[0] == "bash ->     2\n"
        assert t[pairs].items() == [((-1, 3), 1), ((-1, 4), 1)]
        with pytest.raises(TypeError, match="no field nonsense"):
            t.fire(switch, nonsense=1)


def test_a_full_ring_buffer_refuses_as_the_kernel_does() -> None:
    with testing.run(switch) as t:
        for _ in range(200):
            t.fire(switch, prev_pid=1, next_pid=2, prev_comm="x")
        # 24 bytes and a header in 4096, of which one always stays free.
        assert len(t.events(switches)) == 4095 // 32
        assert t.lost()["switches"] == 200 - 4095 // 32


paths = Hash[u32, u64](max_entries=16)


@record
class Opened:
    pid: u32
    ret: i32
    comm: Char = chars(16)
    path: Char = chars(32)


opened = Events[Opened](pages=8)


@tracepoint("syscalls:sys_enter_openat")
def enter(ctx: TracepointContext) -> None:
    paths[tid()] = ctx.filename


@tracepoint("syscalls:sys_exit_openat")
def leave(ctx: TracepointContext) -> None:
    name = paths.pop(tid())
    if name is not None:
        with opened.reserve() as e:
            e.pid, e.ret, e.comm = tgid(), ctx.ret, comm()
            e.path.read_user_str(name)


def test_memory_of_a_process() -> None:
    with testing.run(enter, leave) as t:
        t.set("comm", "cat")
        t.set("tgid", 77)
        for name in ("/etc/passwd", t.user("/" + "x" * 50), 0xDEAD):
            t.fire(enter, filename=name)
            t.fire(leave, ret=-2)
        rows = t.events(opened)
        assert rows["path"].tolist() == [b"/etc/passwd", b"/" + b"x" * 30, b""]
        assert rows[0].tolist()[:3] == (77, -2, b"cat")


total = Global[u64](5)
cells = Array[u64](max_entries=4)
by_cpu = PerCpuArray[u32](max_entries=2)
stacks = StackTrace(max_entries=8)
queued = Const(False, "-Q")


@raw_tracepoint("sys_enter")
def raw(ctx: RawTracepointContext) -> int:
    total.value += ctx.args[0]
    cells[1] += 10
    by_cpu[0] += 1
    cells[2] = stacks.user() + 100
    if queued:
        cells[3] = 1
    return 7


def test_the_other_views() -> None:
    with testing.run(raw, options={queued: True}) as t:
        live = t[cells].view()
        t.set("user_stack", [0x1000, 0x2000])
        assert t.fire(raw, 3) == 7
        t.set("cpu", 1)
        t.fire(raw, 4)
        t[total].value += 1
        t.fire(raw, 0)
        assert t[total].value == 13
        assert live.tolist() == [0, 30, 100, 1]
        live[1] = 1
        assert t[cells][1] == 1
        t[cells][0] = 9
        assert live[0] == 9
        assert t[by_cpu][0].tolist() == [1, 2]
        assert t[stacks][0].tolist() == [0x1000, 0x2000]
        assert t[stacks].get(-14) is None


@raw_tracepoint("sys_enter")
def second(ctx: RawTracepointContext) -> int:
    return 22


@raw_tracepoint("sys_enter")
def first(ctx: RawTracepointContext) -> int:
    jumps.call(ctx.args[0])
    return 11


jumps = TailCalls(second, max_entries=3)


def test_tail_calls() -> None:
    with testing.run(first) as t:
        assert t.fire(first, 0) == 22
        assert t.fire(first, 1) == 11
        t[jumps][1] = second
        assert t.fire(first, 1) == 22


out = Array[i32](max_entries=3)


@raw_tracepoint("sys_enter")
def parent(ctx: RawTracepointContext) -> None:
    task = current_task()
    out[0] = task.real_parent.pid
    out[1] = task.sched_reset_on_fork
    out[2] = task.real_parent.real_parent.pid


def test_kernel_objects() -> None:
    with testing.run(parent) as t:
        init = t.kernel(task_struct, pid=1)
        task = t.kernel("task_struct", pid=5, real_parent=init, sched_reset_on_fork=1, comm="me")
        t.set("current_task", task)
        t.fire(parent)
        assert t[out].values() == [1, 1, 0]
        init["pid"] = 2
        t.fire(parent)
        assert t[out][0] == init["pid"] == 2
        with pytest.raises(KeyError, match="no field nonsense"):
            t.kernel(task_struct, nonsense=1)


def test_a_field_that_the_test_did_not_give() -> None:
    with testing.run(parent, strict=True) as t:
        t.set("current_task", t.kernel(task_struct, real_parent=None))
        with pytest.raises(testing.ProbeFault, match="never written") as fault:
            t.fire(parent)
        assert "out[1] = task.sched_reset_on_fork" in str(fault.value)
        assert fault.value.span is not None


def test_values_that_run_out() -> None:
    with testing.run(issue) as t:
        t.set("ktime_get_ns", [1])
        t.fire(issue, rq=t.kernel(request))
        with pytest.raises(testing.ProbeFault, match="more often than") as fault:
            t.fire(issue, rq={})
        assert "started[rq] = ktime_get_ns()" in str(fault.value)


def test_each_line_is_told() -> None:
    seen: list[tuple[str, int, dict[str, int]]] = []

    def watch(step: testing.Step) -> None:
        seen.append((step.function, step.span.line, dict(step.variables)))

    with testing.run(issue, complete, on_line=watch) as t:
        t.fire(complete, t.kernel(request), -5, 0)
    lines = [line for _, line, _ in seen]
    assert {name for name, _, _ in seen} == {"complete"}
    assert lines == sorted(lines)
    assert len(lines) >= 2


def test_no_system_call_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyebpf.runtime import call

    def refuse(*_: Any) -> int:
        raise AssertionError("a system call")

    monkeypatch.setattr(call, "bpf", refuse)
    test_the_latency_of_block_requests()
    test_the_other_views()
