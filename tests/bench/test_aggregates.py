"""Aggregates: one ``add`` beside the same in C and by hand, and reading many histograms."""

from __future__ import annotations

import ctypes
import math
import os
import struct
import subprocess
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from pyebpf import Log2Hist, Probe, RawTracepointContext, compile_probes, raw_tracepoint, u32
from pyebpf.btf.system import kernel_btf
from pyebpf.runtime import syscall
from pyebpf.runtime.elf import parse_object
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.info import prog_info
from pyebpf.runtime.loader import LoadedObject, load_object
from pyebpf.runtime.maps.hist import HistView
from pyebpf.runtime.resolver import CoreResolver
from tests.bench.aggregates import programs
from tests.bench.measure import Sample, timed
from tests.bench.report import Report
from tests.kernel.running import fire, loaded

pytestmark = [pytest.mark.bench, pytest.mark.kernel]

HERE = Path(__file__).parent / "aggregates"
ROUNDS, RUNS, KEYS = 7, 1_000, 10_000
CONTEXT = struct.pack("<12Q", 123_456, *[0] * 11)


def opened(data: bytes) -> LoadedObject:
    spec = parse_object(data)
    return load_object(spec, features=KernelFeatures(), resolver=CoreResolver(spec.btf, kernel_btf))


def ns_per_run(fd: int) -> float:
    before = prog_info(fd)
    for _ in range(RUNS):
        syscall.prog_test_run(fd, ctx=CONTEXT)
    after = prog_info(fd)
    return (after.run_time_ns - before.run_time_ns) / (after.run_cnt - before.run_cnt)


def each_add(sides: Mapping[str, LoadedObject]) -> dict[tuple[str, str], float]:
    """Return the nanoseconds of one ``add``, the least of several rounds in turn."""
    best: dict[tuple[str, str], float] = {}
    statistics = syscall.enable_stats()
    try:
        for _ in range(ROUNDS):
            for side, loaded_ in sides.items():
                for name, program in loaded_.programs.items():
                    took = ns_per_run(program.fd)
                    best[side, name] = min(best.get((side, name), math.inf), took)
    finally:
        os.close(statistics)
    nothing = {side: best[side, "nothing"] for side in sides}
    return {(side, name): (ns - nothing[side]) / 10 for (side, name), ns in best.items()}


def test_one_add(report: Report, peer: Callable[[str], str | None]) -> None:
    probes = [value for value in vars(programs).values() if isinstance(value, Probe)]
    objects = {"ours": compile_probes(*probes).object}
    clang = peer("clang-22") or peer("clang")
    if clang is not None:
        command = [clang, "-target", "bpfel", "-mcpu=v3", "-O2", "-g", "-c", "-o", "-"]
        source = [*command, HERE / "programs.bpf.c"]
        objects["C"] = subprocess.run(source, check=True, stdout=subprocess.PIPE).stdout
    with ExitStack() as stack:
        sides = {side: opened(data) for side, data in objects.items()}
        for side in sides.values():
            stack.callback(side.close)
        times = each_add(sides)
    by_hand = {"count": "array_by_hand"}
    rows = []
    for name in (probe.name for probe in probes if probe.name not in ("nothing", "array_by_hand")):
        ours, theirs = times["ours", name], times.get(("C", name))
        hand = times["ours", by_hand[name]] if name in by_hand else None
        row = [shown(n) for n in (ours, theirs, theirs and ours / theirs, hand)]
        rows.append((name, *row))
    report.table(
        "Aggregates: one add, its share of the program's entry left out",
        ("add", "ns", "ns in C", "ratio", "ns, PerCpuArray by hand"),
        rows,
    )


def shown(number: float | None) -> str:
    return "" if number is None else f"{number:.2f}"


by_key = Log2Hist[u32](unit="us", max_keys=KEYS)


@raw_tracepoint("sys_enter")
def keyed(ctx: RawTracepointContext) -> None:
    by_key.add(ctx.args[0], 100)


def test_ten_thousand_histograms_to_one_array(report: Report, empty_cache: object) -> None:
    with loaded(keyed) as session:
        view = session[by_key]
        for key in range(KEYS):
            fire(session, keyed, key)
        keys, counts = view.rows()
        assert (len(keys), counts.shape) == (KEYS, (KEYS, 64))
        assert (counts.sum(axis=1) == 1).all()
        array = timed(view.rows, 7).scaled(1e3)
        objects = timed(view.snapshot, 5).scaled(1e3)
        beside: list[tuple[str, Sample]] = [
            ("key by key, 2 system calls each", timed(lambda: key_by_key(view), 5).scaled(1e3)),
            ("snapshot(): a Hist for each", objects),
        ]
    report.add("10,000 per-CPU histograms to one array", "ms", array, None, beside)


def key_by_key(view: HistView) -> dict[int, np.ndarray[tuple[int, ...], np.dtype[np.uint64]]]:
    """Read them with nothing but ``BPF_MAP_GET_NEXT_KEY`` and look-ups, as BCC does."""
    fd = view.map.fileno()
    key, value = ctypes.c_uint32(), ctypes.create_string_buffer(view.map.layout.value_bytes)  # type: ignore[attr-defined]
    at, into = ctypes.addressof(key), ctypes.addressof(value)
    found = {}
    more = syscall.map_next_key(fd, 0, at)
    while more:
        syscall.map_lookup(fd, at, into)
        found[key.value] = np.frombuffer(value, np.uint64).reshape(-1, 64).sum(axis=0)
        more = syscall.map_next_key(fd, at, at)
    assert len(found) == KEYS
    return found
