"""From process start to probes attached: tools that several of us have, each kept to a process.

That is this process, or the disk of the tests; all take hooks that every kernel has.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pyebpf.host.loop import LoopDevice
from tests.bench.measure import Sample, sample
from tests.bench.report import Report, number
from tests.bench.starting import Contestant, Started, environment, started
from tests.bench.test_start import CHILD

pytestmark = [pytest.mark.bench, pytest.mark.kernel]

ROUNDS = 7
OURS, LIBBPF, BPFTRACE, BCC = "pyebpf, cached", "libbpf-tools", "bpftrace", "BCC"


class Case(NamedTuple):
    """A tool: its arguments, what ours and libbpf-tools' say first, and as much of bpftrace.

    Attributes:
        bcc: it attaches here, where there are no kprobes, and does so before its first line.
    """

    name: str
    arguments: str
    marker: bytes
    bpftrace: str
    bcc: bool = False


CASES = (
    Case(
        "opensnoop",
        "-p {pid}",
        b"PID",
        """
        tracepoint:syscalls:sys_enter_open, tracepoint:syscalls:sys_enter_openat
          /pid == {pid}/ { @name[tid] = args->filename; }
        tracepoint:syscalls:sys_exit_open, tracepoint:syscalls:sys_exit_openat
          /pid == {pid} && @name[tid] != 0/ {
            printf("%d %d %s\\n", pid, args->ret, str(@name[tid])); delete(@name[tid]);
          }
        """,
    ),
    Case(
        "statsnoop",
        "-p {pid}",
        b"PID",
        """
        tracepoint:syscalls:sys_enter_newstat, tracepoint:syscalls:sys_enter_newlstat
          /pid == {pid}/ { @name[tid] = args->filename; }
        tracepoint:syscalls:sys_exit_newstat, tracepoint:syscalls:sys_exit_newlstat
          /pid == {pid} && @name[tid] != 0/ {
            printf("%d %d %s\\n", pid, args->ret, str(@name[tid])); delete(@name[tid]);
          }
        """,
    ),
    Case(
        "syscount",
        "-p {pid}",
        b"Tracing syscalls",
        "tracepoint:raw_syscalls:sys_exit /pid == {pid}/ { @[args->id] = count(); }",
        bcc=True,
    ),
    Case(
        "runqlat",
        "-p {pid}",
        b"Tracing run queue latency",
        """
        tracepoint:sched:sched_wakeup /args->pid == {pid}/ { @at[args->pid] = nsecs; }
        tracepoint:sched:sched_switch /@at[args->next_pid]/ {
          @usecs = hist((nsecs - @at[args->next_pid]) / 1000); delete(@at[args->next_pid]);
        }
        """,
        bcc=True,
    ),
    Case(
        "bitesize",
        "-d {disk}",
        b"Tracing block",
        "tracepoint:block:block_rq_issue /args->dev == {dev}/ { @ = hist(args->bytes); }",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_tool_beside_its_peers(
    case: Case,
    report: Report,
    disk: LoopDevice,
    peer: Callable[[str], str | None],
    bcc: dict[str, str] | None,
    tracefs: list[str],
    tmp_path: Path,
) -> None:
    values = {"pid": str(os.getpid()), "disk": disk.name, "dev": str(disk.dev)}
    words = [filled(word, values) for word in case.arguments.split()]
    ours = [sys.executable, "-m", f"pyebpf.tools.{case.name}", *words]
    env = environment(tmp_path / "cache")
    contestants = [Contestant(OURS, ours, case.marker, env)]
    if peer("biolatency"):
        theirs = [*tracefs, f"/usr/sbin/{case.name}", *words]
        contestants.append(Contestant(LIBBPF, theirs, case.marker, env))
    if path := peer("bpftrace"):
        child = tmp_path / "child.sh"
        child.write_text(CHILD)
        text = filled(case.bpftrace, values)
        command = [*tracefs, path, "-c", f"/bin/sh {child}", "-e", text]
        contestants.append(Contestant(BPFTRACE, command, environment=env))
    if bcc is not None and case.bcc:
        theirs = [*tracefs, f"/usr/sbin/{case.name}-bpfcc", *words]
        # Its lines would wait in a buffer of Python's, if it did not write to a terminal.
        contestants.append(Contestant(BCC, theirs, case.marker, bcc))
    found: dict[str, list[Started]] = defaultdict(list)
    for turn in range(ROUNDS + 1):
        for one in contestants:
            with started(one) as (running, took):
                if turn:  # the first one fills caches
                    found[one.name].append(took)
                running.finish()
    tell(report, case.name, found)


def filled(text: str, values: dict[str, str]) -> str:
    """Put values where ``{name}`` is; other braces are the text's own."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def tell(report: Report, name: str, found: dict[str, list[Started]]) -> None:
    def column(index: int, scale: float) -> list[tuple[str, Sample]]:
        return [
            (who, sample(took[index] * scale for took in starts)) for who, starts in found.items()
        ]

    (_, ours), *others = column(0, 1e3)
    report.add(f"start, {name}, cached", "ms", ours, 60, others)
    (_, peak), *others = column(2, 1e-6)
    report.add("  peak memory when attached", "MB", peak, 30, others)
    said = ", ".join(f"{who} {number(min(s.cpu_s for s in starts) * 1e3)}" for who, starts in
                     found.items())  # fmt: skip
    report.note(f"{name}: least CPU time of a start, ms: {said}")
