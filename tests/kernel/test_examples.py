"""The examples, run as a user runs them, each told to look at this test's doings only."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from pyebpf.host.loop import LoopDevice
from tests.loop import disk  # noqa: F401 - a fixture
from tests.programs import ROOT, drop_capabilities, histogram_counts, run, running
from tests.turns import Turning, interpreter  # noqa: F401 - one is a fixture

pytestmark = [pytest.mark.kernel, pytest.mark.exact]

FORKS = 7


def fork_some() -> None:
    for _ in range(FORKS):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)


def test_hello_world() -> None:
    with running("examples/hello_world.py", str(os.getpid())) as example:
        example.wait_for("Hit Ctrl-C")
        fork_some()
        lines = "".join(example.wait_for("Hello, World!") for _ in range(FORKS))
        done = example.interrupt()
    assert lines == "Hello, World!\n" * FORKS
    assert (done.code, done.out, done.err) == (0, "", "")


def test_trace_fields() -> None:
    with running("examples/trace_fields.py", str(os.getpid())) as example:
        example.wait_for("PID MESSAGE")
        fork_some()
        lines = [example.wait_for("Hello, ").strip() for _ in range(FORKS)]
        done = example.interrupt()
    assert all(re.fullmatch(rf"{os.getpid()} Hello, \d+!", line) for line in lines), lines
    assert len(set(lines)) == FORKS
    assert (done.code, done.out, done.err) == (0, "", "")


def test_task_switch() -> None:
    with running("examples/task_switch.py", str(os.getpid())) as example:
        while example.process.poll() is None:
            time.sleep(0.001)
        done = example.end()
    assert (done.code, done.err) == (0, "")
    found = re.findall(r"^task_switch\[ *(\d+)-> *(\d+)\]=(\d+)$", done.out, re.MULTILINE)
    me = str(os.getpid())
    away = sum(int(count) for before, _, count in found if before == me)
    back = sum(int(count) for _, after, count in found if after == me)
    assert len(found) == len(done.out.splitlines())
    assert away > 10
    # A tracepoint goes on and off on one CPU after the other: a few at the ends are not seen.
    assert abs(away - back) <= max(3, away // 20)


def test_bitehist(disk: LoopDevice) -> None:  # noqa: F811
    with running("examples/bitehist.py", "-d", disk.name) as example:
        example.wait_for("Tracing... Hit Ctrl-C to end.")
        disk.write(23, 16 << 10)
        disk.read(31, 4 << 10)
        done = example.interrupt()
    assert (done.code, done.err) == (0, "")
    log2, linear = done.out.split("linear histogram\n~~~~~~~~~~~~~~~~\n")
    assert log2.startswith("\nlog2 histogram\n~~~~~~~~~~~~~~\n     kbytes ")
    assert re.search(r"^ +16 -> 31 +: 23 +\|", log2, re.MULTILINE)
    assert re.search(r"^ +4 -> 7 +: 31 +\|", log2, re.MULTILINE)
    assert re.search(r"^ +16 +: 23 +\|", linear, re.MULTILINE)
    assert re.search(r"^ +4 +: 31 +\|", linear, re.MULTILINE)
    assert sum(histogram_counts(log2)) == sum(histogram_counts(linear)) == 54


def test_disksnoop(disk: LoopDevice) -> None:  # noqa: F811
    with running("examples/disksnoop.py", disk.name) as example:
        example.wait_for("TIME(s)            T  BYTES    LAT(ms)")
        disk.write(3, 16 << 10)
        disk.read(2, 4 << 10)
        rows = [example.wait_for("\n").split() for _ in range(5)]
        done = example.interrupt()
    assert [row[1:3] for row in rows] == [["W", "16384"]] * 3 + [["R", "4096"]] * 2
    times = [float(row[0]) for row in rows]
    assert times == sorted(times)
    assert all(re.fullmatch(r"\d+\.\d\d", row[3]) for row in rows)
    assert (done.code, done.err) == (0, "")


def test_usdt(interpreter: Turning) -> None:  # noqa: F811
    with running("examples/usdt.py", str(interpreter.pid)) as example:
        example.wait_for("Hit Ctrl-C")
        interpreter.turn(FORKS)
        done = example.interrupt()
    assert sorted(done.out.splitlines()) == [f"generation 0: {FORKS}", f"generation 2: {2 * FORKS}"]
    assert (done.code, done.err) == (0, "")


def test_demo(disk: LoopDevice) -> None:  # noqa: F811 - asked for, to skip where none can be made
    done = run("examples/demo.py")
    assert (done.code, done.err) == (0, "")
    assert sum(histogram_counts(done.out)) == 540
    assert done.out.endswith("540 requests counted, 540 made: they match\n")


def test_demo_without_capabilities_shows_the_program() -> None:
    done = run("examples/demo.py", prepare=drop_capabilities)
    assert (done.code, done.err) == (0, "")
    for word in ("CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN"):
        assert word in done.out
    assert "call bpf_ktime_get_ns#5" in done.out
    assert "; started[rq] = ktime_get_ns()  @ biolatency.py" in done.out


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_examples_are_short_and_tested(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert f"examples/{path.name}" in Path(__file__).read_text(encoding="utf-8")
