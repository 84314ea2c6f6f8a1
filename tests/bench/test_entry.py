"""What leads to a program: the part of a hit that the kernel's statistics do not see."""

from __future__ import annotations

import ctypes
import math
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from pyebpf import (
    KprobeContext,
    Probe,
    RawTracepointContext,
    TracepointContext,
    UprobeContext,
    compile_probes,
    fentry,
    kprobe,
    load,
    raw_tracepoint,
    tp_btf,
    tracepoint,
    uprobe,
    uretprobe,
)
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.errors import PyebpfError
from pyebpf.runtime.entry import entry_ns
from tests.bench.report import Report

pytestmark = [pytest.mark.bench, pytest.mark.kernel]

ROUNDS, TURNS, CALLS, ME = 5, 40, 200, os.getpid()
SOURCE = """
#include <sys/syscall.h>
#include <unistd.h>
__attribute__((noinline)) int leaf(int n) { asm volatile("" ::: "memory"); return n; }
void leaves(long n) { while (n--) leaf(n); }
void calls(long n) { while (n--) syscall(SYS_getppid); }
"""


@tracepoint("syscalls:sys_enter_getppid")
def at_tracepoint(ctx: TracepointContext) -> None:
    pass


@raw_tracepoint("sys_enter")
def at_raw_tracepoint(ctx: RawTracepointContext) -> None:
    pass


@tp_btf("sys_enter")
def at_tp_btf() -> None:
    pass


@kprobe("__x64_sys_getppid")
def at_kprobe(ctx: KprobeContext) -> None:
    pass


@fentry("__x64_sys_getppid")
def at_fentry() -> None:
    pass


@pytest.fixture
def library(tmp_path: Path, peer: Callable[[str], str | None]) -> Path:
    clang = peer("clang")
    if clang is None:
        pytest.skip("no clang: nothing that calls quickly enough can be made")
    source, made = tmp_path / "calls.c", tmp_path / "libcalls.so"
    source.write_text(SOURCE)
    subprocess.run([clang, "-O1", "-shared", "-fPIC", "-o", made, source], check=True)
    return made


def hooks(library: Path) -> Iterator[tuple[str, Probe, str]]:
    """Yield what hooks are called, a program there that does nothing, and what hits it."""

    @uprobe(str(library), "leaf", pid=ME)
    def at_uprobe(ctx: UprobeContext) -> None:
        pass

    @uretprobe(str(library), "leaf", pid=ME)
    def at_uretprobe(ctx: UprobeContext) -> None:
        pass

    yield "tracepoint of a system call", at_tracepoint, "calls"
    yield "raw_tracepoint sys_enter", at_raw_tracepoint, "calls"
    yield "tp_btf sys_enter", at_tp_btf, "calls"
    yield "kprobe", at_kprobe, "calls"
    yield "fentry", at_fentry, "calls"
    yield "uprobe", at_uprobe, "leaves"
    yield "uretprobe", at_uretprobe, "leaves"


class Hit(NamedTuple):
    """How long a hit takes, in nanoseconds, by turns; the least is what it takes."""

    alone: float
    attached: float
    measured: float
    program: float

    @classmethod
    def of(cls, probe: Probe, call: Callable[[], object]) -> Hit:
        """Hit a probe so often."""
        alone = each(call)
        with load(probe) as session:
            attached = each(call)
            with session.measure_cost() as meter:
                measured = each(call)
                return cls(
                    alone, attached, measured, meter.cost()[probe.name].ns_per_hit or math.nan
                )


def each(call: Callable[[], object]) -> float:
    """Return the least of many short turns: whoever else wants the CPU disturbs few of them."""
    best = math.inf
    for _ in range(TURNS):
        begin = time.perf_counter_ns()
        call()
        best = min(best, (time.perf_counter_ns() - begin) / CALLS)
    return best


def test_what_leads_to_a_program(library: Path, report: Report) -> None:
    called = ctypes.CDLL(str(library))
    rows = []
    for name, probe, what in hooks(library):
        call = partial(getattr(called, what), CALLS)
        try:
            turns = [Hit.of(probe, call) for _ in range(ROUNDS)]
        except PyebpfError as error:
            report.note(f"{name}: {str(error).splitlines()[0]}")
            continue
        alone, attached, measured, program = map(min, zip(*turns, strict=True))
        entry = entry_ns(PROGRAM_KINDS[compile_probes(probe).programs[0].kind])
        shown = (attached - alone, program, entry, measured - attached)
        rows.append((name, *("" if n is None else f"{n:.0f}" for n in shown)))
    report.table(
        "A hit of a program that does nothing, ns",
        ("hook", "in all", "NS/HIT of --cost", "ENTRY", "more while measured"),
        rows,
    )
