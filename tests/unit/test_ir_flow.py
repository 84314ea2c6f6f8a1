"""Dominators against their definition, on random graphs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyebpf.diag import Source, Span
from pyebpf.ir.flow import Flow
from pyebpf.ir.nodes import Block, Branch, Const, Function, Jump, Return
from pyebpf.ir.types import BOOL, I32, VOID

SPAN = Span(Source("a.py", ""), 1, 0, 1, 0)
EDGES = st.lists(st.lists(st.integers(0, 6), max_size=2), min_size=7, max_size=7)


def function(edges: list[list[int]]) -> Function:
    blocks = [Block(f"b{i}") for i in range(len(edges))]
    for block, targets in zip(blocks, edges, strict=True):
        to = [blocks[t] for t in targets]
        if not to:
            block.instrs = [Return(VOID, SPAN, Const(I32, SPAN, 0))]
        elif len(to) == 1:
            block.instrs = [Jump(VOID, SPAN, to[0])]
        else:
            block.instrs = [Branch(VOID, SPAN, Const(BOOL, SPAN, 1), to[0], to[1])]
    return Function("f", "", (), I32, blocks, [], SPAN)


def reached(fn: Function, without: Block | None) -> set[Block]:
    seen: set[Block] = set()
    work = [] if fn.entry is without else [fn.entry]
    while work:
        block = work.pop()
        if block not in seen:
            seen.add(block)
            work += [b for b in block.successors() if b is not without]
    return seen


@given(EDGES)
def test_dominance_is_being_on_every_path(edges: list[list[int]]) -> None:
    fn = function(edges)
    flow = Flow(fn)
    assert set(flow.order) == reached(fn, None)
    for upper in flow.order:
        left = reached(fn, upper)
        for lower in flow.order:
            assert flow.dominates(upper, lower) == (lower not in left)
            assert (upper in flow.dominators(lower)) == (lower not in left)


@given(EDGES)
def test_order_and_predecessors(edges: list[list[int]]) -> None:
    fn = function(edges)
    flow = Flow(fn)
    for block in flow.order:
        above = flow.dominators(block)
        assert (above[0], above[-1]) == (fn.entry, block)
        assert above == sorted(above, key=flow.order.index)
        assert set(flow.before[block]) == {b for b in flow.order if block in b.successors()}
    assert all(flow.runs(b) == (b in flow.order) for b in fn.blocks)
