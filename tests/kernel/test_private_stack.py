"""Functions that take more than 512 bytes of stack together, where each has a stack of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyebpf.dsl.compile import compile_probes
from pyebpf.errors import CompileError
from pyebpf.spec.target import FrozenFeatures
from tests import frozen
from tests.kernel.running import cell, fire, loaded

pytestmark = pytest.mark.kernel

#: Two programs call them, so their arrays stay on the stack.
TEXT = """
from pyebpf import *

@noinline
def inner(start: u64) -> u64:
    room: FixedArray[u8] = array(300)
    room[start % 300] = 7
    return sum(room)

@noinline
def outer(start: u64) -> u64:
    room: FixedArray[u8] = array(300)
    room[start % 300] = 5
    return inner(start) * 100 + inner(start + 1) + sum(room)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> int:
    return outer(ctx.args[0])

@raw_tracepoint("sys_exit")
def other(ctx: RawTracepointContext) -> int:
    return outer(ctx.args[0])

@socket_filter
def packets(ctx: SkBuffContext) -> int:
    return outer(ctx.len)

@socket_filter
def others(ctx: SkBuffContext) -> int:
    return outer(ctx.len)
"""


def test_they_run(requires: Callable[[str], None]) -> None:
    requires("private_stack")
    made = cell(TEXT)
    with loaded(made.probe, made.other) as session:
        assert fire(session, made.probe, 299) == 712


def test_where_all_share_one_stack_they_are_refused() -> None:
    made = cell(TEXT)
    kernel = frozen.target()
    with pytest.raises(CompileError, match=r"E0410.*`probe` needs 6\d\d bytes of stack"):
        compile_probes([made.probe, made.other], kernel)
    newer = kernel.replace(features=FrozenFeatures(frozen.FEATURES | {"private_stack"}))
    assert compile_probes([made.probe, made.other], newer).object
    with pytest.raises(CompileError, match=r"E0410.*`packets` needs 6\d\d bytes of stack"):
        compile_probes([made.packets, made.others], newer)
