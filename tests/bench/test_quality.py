"""The code that we make, beside what clang makes of the same program in C.

Both objects are loaded in this process and run in turn; nothing is attached. Instructions and bytes
of stack are those of the object; how many instructions run is counted for the same context by a
machine of the tests; the time is that of the kernel's statistics, the least of several rounds.
Instructions are compared with C as it is written, which does not see what the kernel refuses, and
with C that counts it, as ours does.
"""

from __future__ import annotations

import math
import os
import struct
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from pyebpf import Probe, compile_probes
from pyebpf.btf.system import kernel_btf
from pyebpf.ir.llvm.stack import functions, stack_bytes
from pyebpf.runtime import syscall
from pyebpf.runtime.elf import parse_object
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.info import prog_info
from pyebpf.runtime.loader import LoadedObject, load_object
from pyebpf.runtime.resolver import CoreResolver
from pyebpf.spec.objects import ObjectSpec
from tests.bench.measure import sample
from tests.bench.quality import programs
from tests.bench.quality.executed import executed
from tests.bench.report import Report

pytestmark = pytest.mark.bench

HERE = Path(__file__).parent / "quality"
ROUNDS, RUNS = 16, 2_000
CONTEXT = struct.pack("<12Q", 13, (1 << 64) - 2, *[0] * 10)
#: The context of those that want other numbers.
OTHERS = {
    name: struct.pack("<12Q", first, second, *[0] * 10)
    for name, first, second in (
        ("q06_log2", 123_456, 0),
        ("q07_linear", 77, 0),
        ("q14_popcount", 0xF0F0_F0F0, 0),
        ("q15_bits", 0b1011_0101, 0),
        ("q17_match", 0, 20),
        ("q18_checksum", 0x0123_4567_89AB_CDEF, 0xFFFF_8000_1234_5678),
        ("q19_thresholds", 0, 500),
    )
}


def context_of(name: str) -> bytes:
    """Return what a program is run on."""
    return OTHERS.get(name, CONTEXT)


class Side(NamedTuple):
    """One of the two compilers' objects."""

    code: dict[str, bytes]
    spec: ObjectSpec
    loaded: LoadedObject

    def instructions(self, name: str) -> int:
        return len(self.code[name]) // 8

    def stack(self, name: str) -> int:
        return stack_bytes(self.code[name])

    def executed(self, name: str) -> int:
        return executed(self.spec, name, context_of(name))

    def ns_per_run(self, name: str) -> float:
        fd = self.loaded.programs[name].fd
        before = prog_info(fd)
        for _ in range(RUNS):
            syscall.prog_test_run(fd, ctx=context_of(name))
        after = prog_info(fd)
        return (after.run_time_ns - before.run_time_ns) / (after.run_cnt - before.run_cnt)


def opened(data: bytes) -> Side:
    spec = parse_object(data)
    resolver = CoreResolver(spec.btf, kernel_btf)
    return Side(
        dict(functions(data)), spec, load_object(spec, features=KernelFeatures(), resolver=resolver)
    )


def clang_object(clang: str, *options: str) -> bytes:
    command = [clang, "-target", "bpfel", "-mcpu=v3", "-O2", "-g", *options, "-c", "-o", "-"]
    source = HERE / "programs.bpf.c"
    return subprocess.run([*command, source], check=True, stdout=subprocess.PIPE).stdout


def test_beside_clang(report: Report, peer: Callable[[str], str | None]) -> None:
    clang = peer("clang-22") or peer("clang")
    if clang is None:
        pytest.skip("no clang to compare with")
    probes = [value for value in vars(programs).values() if isinstance(value, Probe)]
    ours, theirs = opened(compile_probes(*probes).object), opened(clang_object(clang))
    counting = dict(functions(clang_object(clang, "-DLOSSES")))
    statistics = syscall.enable_stats()
    names = [probe.name for probe in probes]
    best = {(side, name): math.inf for side in (0, 1) for name in names}
    try:
        for turn in range(ROUNDS):
            for name in names:
                # Who comes second finds the caches warm.
                for number, side in ((0, ours), (1, theirs))[:: -1 if turn % 2 else 1]:
                    best[number, name] = min(best[number, name], side.ns_per_run(name))
    finally:
        os.close(statistics)
        ours.loaded.close()
        theirs.loaded.close()
    counted = {name: (ours.instructions(name), theirs.instructions(name)) for name in names}
    alike = {name: (ours.instructions(name), len(counting[name]) // 8) for name in names}
    runs = {name: (ours.executed(name), theirs.executed(name)) for name in names}
    stacks = {name: (ours.stack(name), theirs.stack(name)) for name in names}
    times = {name: (best[0, name], best[1, name]) for name in names}
    report.table(
        f"Code quality: pyebpf beside {Path(clang).name} -O2 -mcpu=v3",
        (
            *("program", "instructions", "C", "ratio", "C that counts losses", "ratio"),
            *("that run", "C", "ratio", "stack", "C", "ns per run", "C", "ratio"),
        ),
        [
            (
                *(name, *_compared(counted[name]), *_compared(alike[name])[1:]),
                *(*_compared(runs[name]), *map(str, stacks[name]), *_compared(times[name])),
            )
            for name in names
        ]
        + [
            (
                *("geometric mean", "", "", _mean(counted), "", _mean(alike), "", "", _mean(runs)),
                *("", "", "", "", _mean(times)),
            )
        ],
    )
    beside = [(f"{Path(clang).name} -O2 -mcpu=v3", sample([1]))]
    all_of_them = (
        ("instructions", counted),
        ("instructions, losses counted,", alike),
        ("instructions that run", runs),
        ("ns per hit", times),
    )
    for what, found in all_of_them:
        ratios = _ratios(found)
        mean = sample([round(math.exp(sum(map(math.log, ratios)) / len(ratios)), 2)])
        report.add(f"{what} of {len(names)} programs, geometric mean", "C", mean, 1, beside)
        report.add("  the most of one", "C", sample([round(max(ratios), 2)]), 1.15, beside)


def _compared(pair: tuple[float, float]) -> tuple[str, str, str]:
    ours, theirs = pair
    return f"{ours:.0f}", f"{theirs:.0f}", f"{ours / theirs:.2f}"


def _ratios(pairs: Mapping[str, tuple[float, float]]) -> list[float]:
    return [ours / theirs for ours, theirs in pairs.values()]


def _mean(pairs: Mapping[str, tuple[float, float]]) -> str:
    logs = [math.log(ratio) for ratio in _ratios(pairs)]
    return f"{math.exp(sum(logs) / len(logs)):.2f}"
