"""The programs that the design promises run as they stand, text and all.

Only ``session.sleep`` is replaced: by a workload of a known size on things of the test's own.
"""

from __future__ import annotations

import errno
import os
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyebpf import Session
from pyebpf.host.loop import LoopDevice

pytestmark = [pytest.mark.kernel, pytest.mark.exact]

PROGRAMS = Path(__file__).parents[1] / "contract" / "accept"


def run(name: str, workload: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Execute a program with the workload in the place of its waiting; return its names."""
    waited = []

    def work(self: Session, seconds: float) -> None:
        waited.append(seconds)
        workload()

    monkeypatch.setattr(Session, "sleep", work)
    names = runpy.run_path(str(PROGRAMS / name))
    assert waited == [10]
    return names


def test_block_latency(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with LoopDevice() as disk:
        names = run("block_latency.py", lambda: disk.write(230), monkeypatch)
    counts = names["counts"]
    assert counts.shape == (64,)
    assert counts.sum() >= 230  # the machine's other disks count too
    shown = capsys.readouterr().out
    assert "us" in shown.splitlines()[0]
    assert "*" in shown


def test_switches_between_two_own_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    partners: list[int] = []

    def workload() -> None:
        partners.append(ping_pong(231))

    before = os.sched_getaffinity(0)
    try:
        pairs = run("switches.py", workload, monkeypatch)["pairs"]
    finally:
        os.sched_setaffinity(0, before)
    me, other = os.getpid(), partners[0]
    there, back = pairs.get((me, other), 0), pairs.get((other, me), 0)
    del pairs  # other processes' business: not even for the message of a failure
    assert there > 100
    assert back > 100


def test_files_that_this_process_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, missing = tmp_path / "there", tmp_path / "missing"
    there.touch()

    def workload() -> None:
        there.open().close()
        with pytest.raises(FileNotFoundError):
            missing.open()

    names = run("opened.py", workload, monkeypatch)
    found = {row["path"].decode(): row for row in names["batch"]}
    good, bad = found[str(there)], found[str(missing)]
    assert good["ret"] >= 0
    assert bad["ret"] == -errno.ENOENT
    assert good["pid"] == bad["pid"] == os.getpid()
    assert good["comm"] == Path("/proc/thread-self/comm").read_bytes().rstrip(b"\n")
    assert good["ts_ns"] < bad["ts_ns"]
    assert names["lost"] == {}


def ping_pong(turns: int) -> int:
    """Hand a byte to a child on the same CPU and back; return the child's number."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    to_child, from_child = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        for _ in range(turns):
            os.read(to_child[0], 1)
            os.write(from_child[1], b"x")
        os._exit(0)
    for _ in range(turns):
        os.write(to_child[1], b"x")
        os.read(from_child[0], 1)
    os.waitpid(child, 0)
    for fd in (*to_child, *from_child):
        os.close(fd)
    return child
