"""Functions that stay functions, and programs that run by a call."""

from __future__ import annotations

import os
from typing import Any

import pytest

from pyebpf import load
from pyebpf.runtime.features import KernelFeatures
from tests.kernel.running import cell, fire, loaded

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(
        not KernelFeatures().has("syscall_prog"), reason="no syscall programs (Linux 5.14)"
    ),
]

TEXT = """
from pyebpf import *

@record
class Args:
    a: u64
    b: i32
    out: i64

counts = Hash[u32, u64](max_entries=64)

def halves(n: u64, limit: u32 = 12) -> u64:
    steps = 0
    for i in range(limit):
        if n <= 1:
            return steps
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps + 1000

kept_halves = noinline(halves)

@noinline
def divide(a: i64, b: i64) -> i64:
    return a // b

@noinline
def twice(a: u64) -> u64:
    return a + kept_halves(a) * 2 + kept_halves(a, 3)

@noinline
def note(k: u32) -> None:
    if k > 50:
        return
    counts[k] += 1

@syscall
def run(args: Args) -> i64:
    args.out = twice(args.a) + divide(args.a, args.b)
    note(args.b)
    args.b += 1
    return -7
"""


def fields(context: Any) -> list[int]:
    return [context.a, context.b, context.out]


def test_functions_are_called_and_an_error_in_one_ends_the_program() -> None:
    made = cell(TEXT)
    with load(made.run) as session:
        for a, b in ((27, 3), (5, -2), (1, 1), (8, 60)):
            ran = session.test_run(made.run, (a, b, 0))
            expected = a + made.halves(a) * 2 + made.halves(a, 3) + a // b
            assert ran.result == -7
            assert fields(ran.context) == [a, b + 1, expected]
        ran = session.test_run(made.run, {"a": 9, "b": 0, "out": 5})
        assert (ran.result, fields(ran.context)) == (0, [9, 0, 5])
        assert dict(session[made.counts].items()) == {3: 1, 1: 1}


def test_what_is_not_loaded_cannot_run() -> None:
    made = cell(TEXT + "\n@syscall\ndef other() -> i64:\n    return 1\n")
    with load(made.other) as session:
        assert session.test_run(made.other).result == 1
        with pytest.raises(KeyError, match="'run' is no probe that this session loaded"):
            session.test_run(made.run)


POINTERS = """
from pyebpf import *
from pyebpf.kernel import task_struct

out = Array[u64](max_entries=4)

@noinline
def weight(task: Ptr[task_struct], number: u64) -> u64:
    return task.tgid + number

@noinline
def maybe(task: Ptr[task_struct] | None) -> u64:
    return 0 if task is None else task.tgid

@noinline
def second(ctx: RawTracepointContext) -> u64:
    return ctx.args[1]

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = weight(current_task(), 4)
    out[1] = second(ctx)
    out[2] = maybe(current_task().group_leader)
    out[3] = maybe(cast(Ptr[task_struct], 0)) + 1
"""


def test_functions_take_objects_and_the_context() -> None:
    made = cell(POINTERS)
    with loaded(made.probe) as session:
        fire(session, made.probe, 1, 77)
        mine = os.getpid()
        assert session[made.out].snapshot()[1].tolist() == [mine + 4, 77, mine, 1]
