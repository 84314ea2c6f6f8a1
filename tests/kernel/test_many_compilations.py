"""A process may compile as often as it likes, and the same input gives the same bytes."""

from __future__ import annotations

import hashlib
import linecache
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyebpf import compile_probes
from tests import frozen
from tests.compile.cases import ACCEPT, load_case, probes_of

ROOT = Path(__file__).parents[2]
#: Kilobytes. One leaked module of LLVM is about 90, one leaked syntax tree about 50.
GROWTH = 16_000

_GROW = """
from pyebpf import compile_probes
from tests import frozen
from tests.kernel.running import cell
import gc, linecache

TEXT = '''
from pyebpf import *
from pyebpf.kernel import request

counts_{n} = Hash[tuple[u32, u64], u64](max_entries={size})
latency = Log2Hist(unit="us", key=u{bits})

def rest(value: u64) -> u64:
    return value % {odd} + {n}

@tp_btf("block_rq_issue")
def issue_{n}(rq: Ptr[request]) -> None:
    counts_{n}[rq.q.disk.first_minor, rest(ktime_get_ns())] += {n}
    for i in range({loop}):
        if i > rq.tag:
            latency[i].add(rest(i) + rq.q.{field})
'''
target = frozen.target()
fields = ("nr_requests", "node", "id", "queue_flags")

def compile_one(n):
    module = cell(TEXT.format(
        n=n, size=n % 90 + 1, bits=(8, 16, 32, 64)[n % 4], odd=2 * n + 3, loop=n % 7 + 1,
        field=fields[n % 4]))
    size = len(compile_probes(getattr(module, f"issue_{n}"), target=target).object)
    linecache.cache.clear()  # the texts are ours, and so is the memory they take
    return size

def resident_kb():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * 4

for n in range(100):
    assert compile_one(n) > 1000
before = resident_kb()
for n in range(100, 1000):
    assert compile_one(n) > 1000
print(resident_kb() - before)
"""


def run(text: str, **environment: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    words = [sys.executable, "-c", text]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_a_thousand_different_probes_in_one_process_keep_little_memory() -> None:
    assert int(run(_GROW)) < GROWTH


def digests() -> str:
    """One line for each accepted case: its name, and the digest of its object."""
    lines = []
    for case in ACCEPT:
        with load_case(case) as module:
            made = compile_probes(*probes_of(module), target=frozen.target())
        whole = made.object + repr((made.programs, made.prints, made.lost)).encode()
        lines.append(f"{case.parent.name}/{case.stem} {hashlib.sha256(whole).hexdigest()}\n")
    linecache.clearcache()
    return "".join(lines)


@pytest.mark.slow
def test_the_same_source_and_target_give_the_same_bytes() -> None:
    text = "from tests.kernel.test_many_compilations import digests; print(digests(), end='')"
    here = digests()
    assert here.count("\n") == len(ACCEPT)
    assert [run(text, PYTHONHASHSEED=seed) for seed in ("0", "1", "77")] == [here] * 3
