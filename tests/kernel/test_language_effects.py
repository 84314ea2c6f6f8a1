"""What an expression does is done, also where its value is known or not looked at."""

from __future__ import annotations

import pytest

from tests.kernel.running import cell, fire, loaded

pytestmark = pytest.mark.kernel

TEXT = """
from pyebpf import *

counts = Hash[u32, u64](max_entries=64)

def note(key: u32) -> None:
    counts[key] += 1

def noted(key: u32) -> u64:
    counts[key] += 1
    return key

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> int:
    if note(1):
        return 2
    if note(2) is not None:
        return 3
    if noted(3) is None:
        return 4
    n = 5 if note(4) else 6
    n += len((noted(5), noted(6)))
    if not note(7):
        n += 1
    while note(8):
        pass
    (noted(9), note(10))
    n += noted(11) and 0
    if noted(12) in ():
        return 5
    assert noted(13) is not None
    return n
"""


def test_nothing_that_is_done_is_dropped() -> None:
    made = cell(TEXT)
    with loaded(made.probe) as session:
        assert fire(session, made.probe) == 9
        assert dict(session[made.counts].items()) == dict.fromkeys(range(1, 14), 1)
