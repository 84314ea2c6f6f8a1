"""Compiling: a Python function to an object file, stage by stage, beside clang."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyebpf import Probe, compile_probes, host_target
from pyebpf.dsl import compile as compiler
from pyebpf.ir.llvm import object as llvm_object
from tests.bench import contract
from tests.bench.measure import Sample, sample, timed
from tests.bench.python_bpf import PythonBPF
from tests.bench.report import Report, number
from tests.bench.starting import ROOT, environment

pytestmark = pytest.mark.bench

TIMES = 40
#: What ``compile_probes`` is made of: where a name is looked up, and which it is. Time counts for
#: the innermost.
STAGES: dict[str, tuple[Any, str]] = {
    "check: source to typed tree": (compiler, "check_programs"),
    "lower: typed tree to IR": (compiler, "lower_program"),
    "passes, the IR verified after each": (compiler, "run_pipeline"),
    "emit: IR to LLVM text": (llvm_object, "unit_llvm"),
    "LLVM: parse the text": (llvm_object.llvm, "parse_assembly"),
    "LLVM: optimise": (llvm_object._Compilation, "_optimise"),
    "LLVM: verify, emit an object": (llvm_object, "_object"),
    "check the stack of the object": (llvm_object, "check_stack"),
}
REST = "the rest"
#: From the smallest probe to a whole program.
PROBES = {
    "issue": (contract.issue,),
    "complete": (contract.complete,),
    "both": (contract.issue, contract.complete),
}
FIRST = """
import sys, time
from pyebpf import compile_probes, host_target
from pyebpf.dsl import compile
from tests.bench import contract
target = host_target()
begin = time.perf_counter()
compile_probes(contract.complete, target=target)
print(time.perf_counter() - begin)
"""

Peer = Callable[[str], "str | None"]


def test_compiling_with_llvm_imported(
    report: Report,
    empty_cache: Path,
    peer: Peer,
    pythonbpf: PythonBPF | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = {name: compiled(probes) for name, probes in PROBES.items()}
    first = first_in_a_process()
    beside = [("clang -O2 -g of both in C", took)] if (took := by_clang(peer, tmp_path)) else []
    if pythonbpf is not None:
        beside.append((f"{pythonbpf.called} of both", by_pythonbpf(pythonbpf, tmp_path)))
    report.add("compile one probe, `issue`", "ms", whole["issue"], 10)
    report.add("compile one probe, `complete`", "ms", whole["complete"], 10)
    report.add("  the first one in a process", "ms", first)
    report.add("compile both", "ms", whole["both"], None, beside)
    parts = {name: by_stage(probes, monkeypatch) for name, probes in PROBES.items()}
    rows = [
        [stage, *(number(of(parts[name][stage])) for name in PROBES for of in (least, median))]
        for stage in [*STAGES, REST]
    ]
    head = ["ms", *(word for name in PROBES for word in (f"{name}: min", "median"))]
    report.table(f"Compiling the README's program by stage, {TIMES} times", head, rows)


def least(taken: Sample) -> float:
    return taken.least


def median(taken: Sample) -> float:
    return taken.median


def compiled(probes: tuple[Probe, ...]) -> Sample:
    target = host_target()
    made = compile_probes(*probes, target=target)
    assert [info.name for info in made.programs] == [probe.name for probe in probes]
    return timed(lambda: compile_probes(*probes, target=target), TIMES).scaled(1e3)


def by_stage(probes: tuple[Probe, ...], monkeypatch: pytest.MonkeyPatch) -> dict[str, Sample]:
    """Compile with a clock around each stage, in milliseconds."""
    found: dict[str, list[float]] = defaultdict(list)
    target, clock = host_target(), Clock()
    whole = clock.around(REST, compile_probes)
    with monkeypatch.context() as patch:
        for stage, (owner, name) in STAGES.items():
            patch.setattr(owner, name, clock.around(stage, getattr(owner, name)))
        for _ in range(TIMES):
            gc.collect()
            clock.spent.clear()
            whole(*probes, target=target)
            for stage, seconds in clock.spent.items():
                found[stage].append(seconds * 1e3)
    assert set(found) == {*STAGES, REST}
    return {stage: sample(values) for stage, values in found.items()}


class Clock:
    """Counts the time of calls, without that of calls inside them."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._inside: list[str] = []

    def around(self, stage: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            self._inside.append(stage)
            begin = time.perf_counter()
            try:
                return real(*args, **kwargs)
            finally:
                took = time.perf_counter() - begin
                self._inside.pop()
                self.spent[stage] += took
                if self._inside:
                    self.spent[self._inside[-1]] -= took

        return run


def first_in_a_process() -> Sample:
    """Compile once in a process that has imported LLVM and done nothing with it, some times."""

    def once() -> float:
        words = [sys.executable, "-c", FIRST]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
        return float(done.stdout) * 1e3

    once()  # leaves the index of the kernel's types in the cache
    return sample(once() for _ in range(7))


def by_clang(peer: Peer, folder: Path) -> Sample | None:
    """Compile the same in C: a whole process each time, for that is what its users start."""
    path = peer("clang")
    if path is None:
        return None
    here = Path(__file__).parent
    words = [path, "-target", "bpf", "-mcpu=v3", "-O2", "-g", f"-I{ROOT / 'tests/data/c'}"]
    words += ["-c", str(here / "biolatency.bpf.c"), "-o", str(folder / "biolatency.bpf.o")]
    return timed(lambda: subprocess.run(words, check=True), 9).scaled(1e3)


def by_pythonbpf(peer: PythonBPF, folder: Path) -> Sample:
    """Compile the same program, in a process with everything imported; LLVM's are others."""
    peer.program(folder, dev=0)
    return sample(peer.compile(folder, environment(folder), 9)).scaled(1e3)
