"""Names for the stacks of a large program in C++, beside BCC's cache of symbols.

Both are processes of their own that read the same addresses of a process of ours, which has mapped
LLVM, and make folded text. What is timed includes reading the symbols; nothing is attached.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from pyebpf.runtime.mappings import mapped_files
from tests.bench.measure import Sample, sample
from tests.bench.report import Report
from tests.bench.starting import ROOT

pytestmark = pytest.mark.bench

STACKS, DEPTH, ROUNDS = 100_000, 20, 2
#: As many different places, as a profile of some minutes has.
PLACES = 20_000
HOLDING = "import ctypes, sys; ctypes.CDLL(sys.argv[1]); print('ready', flush=True); input()"


class Named(NamedTuple):
    """What naming the stacks took. Seconds and MB; how many stacks had names for all frames."""

    seconds: float
    peak_mb: float
    stacks: int
    known: int


def library() -> str | None:
    """Return a library of LLVM that Debian's clang has brought along: 100 MB, 45,000 functions."""
    found = sorted(Path("/usr/lib").glob("*-linux-gnu/libLLVM-*.so.1"))
    return str(found[-1].resolve()) if found else None


def has_bcc() -> bool:
    try:
        ctypes.CDLL("libbcc.so.0")
    except OSError:
        return False
    return True


def test_stacks_of_a_large_program(report: Report, tmp_path: Path) -> None:
    path = library()
    if path is None:
        pytest.skip("needs libLLVM (Debian package clang)")
    words = [sys.executable, "-c", HOLDING, path]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            make_stacks(process.pid, path, tmp_path / "stacks")
            ways = ["pyebpf", *(["bcc"] if has_bcc() else [])]
            found: dict[str, list[Named]] = {way: [] for way in ways}
            for _ in range(ROUNDS):
                for way in ways:
                    found[way].append(named(way, process.pid, tmp_path / "stacks"))
        finally:
            process.kill()
    assert all(row.stacks == STACKS for rows in found.values() for row in rows)
    tell(report, found)


def make_stacks(pid: int, path: str, file: Path) -> None:
    """Write addresses of instructions in functions of a library, the same in each run."""
    from pyebpf.symbols import Symbols

    (row,) = (row for row in mapped_files(pid) if row.is_code and row.path == path)
    chance = np.random.default_rng(7)
    # Most of the code is of functions that the library does not show.
    spots = chance.integers(row.start, row.end, 10 * PLACES, dtype=np.uint64)
    frames = Symbols().frames(spots, pid)
    spots = np.array([f.address for f in frames if f.name and f.offset > 1][:PLACES], np.uint64)
    assert len(spots) == PLACES
    file.write_bytes(chance.choice(spots, STACKS * DEPTH).tobytes())


def named(way: str, pid: int, file: Path) -> Named:
    words = [sys.executable, "-m", "tests.bench.naming", way, str(pid), str(file), str(DEPTH)]
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    seconds, peak, stacks, known = done.stdout.split()
    return Named(float(seconds), float(peak), int(stacks), int(known))


def tell(report: Report, found: dict[str, list[Named]]) -> None:
    def figures(column: str) -> list[tuple[str, Sample]]:
        return [
            ("BCC's SymbolCache, the same", sample(getattr(row, column) for row in found["bcc"]))
        ] if "bcc" in found else []  # fmt: skip

    title = f"naming {STACKS:,} stacks of {DEPTH}, {PLACES:,} places in LLVM"
    ours = found["pyebpf"]
    report.add(title, "s", sample(row.seconds for row in ours), None, figures("seconds"))
    report.add(
        f"{title}, peak", "MB", sample(row.peak_mb for row in ours), None, figures("peak_mb")
    )
    for way, rows in found.items():
        report.note(f"naming: {way} has names for every frame of {rows[0].known:,} stacks")
    if "bcc" not in found:
        report.note("libbcc.so.0 is not here (Debian package libbpfcc): names are shown alone")
