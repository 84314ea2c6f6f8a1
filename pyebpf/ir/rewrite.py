"""Change what instructions use, in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir.flow import Flow
from pyebpf.ir.nodes import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyebpf.ir.nodes import Function


def replace_operands(instr: Value, by: Mapping[Value, Value]) -> None:
    """Make ``instr`` use ``by[v]`` wherever it used ``v``."""
    for name, item in vars(instr).items():
        if isinstance(item, Value):
            if item in by:
                setattr(instr, name, by[item])
        elif isinstance(item, tuple) and any(isinstance(part, Value) for part in item):
            setattr(instr, name, tuple(by.get(part, part) for part in item))


def drop_unreachable(fn: Function) -> None:
    """Remove the blocks that no path from the entry reaches."""
    flow = Flow(fn)
    fn.blocks = [block for block in fn.blocks if flow.runs(block)]
