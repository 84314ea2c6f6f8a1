"""Change what instructions use, in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir.flow import Flow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyebpf.ir.nodes import Function, Value


def replace_operands(instr: Value, by: Mapping[Value, Value]) -> None:
    """Make ``instr`` use ``by[v]`` wherever it used ``v``."""
    for name in instr.operand_fields:
        item = instr.__dict__[name]
        if isinstance(item, tuple):
            setattr(instr, name, tuple(by.get(part, part) for part in item))
        elif item in by:
            setattr(instr, name, by[item])


def drop_unreachable(fn: Function) -> bool:
    """Remove the blocks that no path from the entry reaches; tell whether there were any."""
    flow = Flow(fn)
    dropped = len(flow.order) < len(fn.blocks)
    if dropped:
        fn.blocks = [block for block in fn.blocks if flow.runs(block)]
    return dropped
