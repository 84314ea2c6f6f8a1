"""Tools that several of us have: what each is started with, and what all of them must count.

Each is kept to this process, or the disk of the tests, and has hooks of every kernel.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from pyebpf.abi.syscalls import syscall_names
from pyebpf.host.loop import LoopDevice
from tests.bench.counting import EVENTS, counted

#: A file that is nowhere: asking for it is enough. bpftrace shows 64 bytes of a name.
NAME = "no-such-file-of-the-benchmarks"
_NUMBERS = {name: number for number, name in syscall_names(platform.machine()).items()}


class Case(NamedTuple):
    """A tool.

    Attributes:
        name: of ours, of libbpf-tools' and of BCC's.
        arguments: of all three.
        marker: what they say first.
        bpftrace: a text for bpftrace that traces as much.
        work: what makes events.
        seen: says of what a tool printed how many it counted.
        bcc: BCC's attaches here, where there are no kprobes, and does so before its first line.
        exact: nothing else of this process is counted.
    """

    name: str
    arguments: str
    marker: bytes
    bpftrace: str
    work: Callable[[LoopDevice], object]
    seen: Callable[[str], int]
    bcc: bool = False
    exact: bool = True


def _named(text: str) -> int:
    return text.count(NAME)


def _calls(text: str) -> int:
    rows = re.findall(rf"^(?:getppid|@\[{_NUMBERS['getppid']}\]:)\s+(\d+)", text, re.MULTILINE)
    # So many that a list of the ten most frequent calls has it.
    return sum(map(int, rows)) // 10


def _open(disk: LoopDevice) -> None:
    for _ in range(EVENTS):
        with suppress(FileNotFoundError):
            os.close(os.open(NAME, os.O_RDONLY))


def _stat(disk: LoopDevice) -> None:
    libc = ctypes.CDLL(None)
    for _ in range(
        EVENTS
    ):  # the C library makes another call of it, of which the peers do not know
        libc.syscall(_NUMBERS["stat"], NAME.encode(), ctypes.create_string_buffer(256))


def _call(disk: LoopDevice) -> None:
    for _ in range(EVENTS * 10):
        os.getppid()


def _sleep(disk: LoopDevice) -> None:
    for _ in range(EVENTS):
        time.sleep(0.001)


def _read(disk: LoopDevice) -> None:
    disk.read(EVENTS)


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
        _open,
        _named,
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
        _stat,
        _named,
    ),
    Case(
        "syscount",
        "-p {pid}",
        b"Tracing syscalls",
        "tracepoint:raw_syscalls:sys_exit /pid == {pid}/ { @[args->id] = count(); }",
        _call,
        _calls,
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
        _sleep,
        counted,
        bcc=True,
        exact=False,
    ),
    Case(
        "bitesize",
        "-d {disk}",
        b"Tracing block",
        "tracepoint:block:block_rq_issue /args->dev == {dev}/ { @ = hist(args->bytes); }",
        _read,
        counted,
    ),
)
