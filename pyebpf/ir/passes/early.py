"""Read the one word that a program needs of its context while the context is at hand.

It comes in a register that calls do not keep. To read it later is to keep its address until then:
an instruction, as reading it now is, and the later one is saved.

Takes:  any function.
Gives:  the function; of a program whose context is the kernel's arguments, and that reads one of
    them after a call and uses its context for nothing else then, that is read before the call.
Reports: nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir.flow import Flow
from pyebpf.ir.nodes import (
    CallFunction,
    CallHelper,
    CallKfunc,
    CtxLoad,
    Value,
    operands,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Block, Function

#: Hooks, the first part of a section, whose context is words that nobody changes meanwhile.
_ARGUMENTS = frozenset({"raw_tp", "raw_tracepoint", "tp_btf", "fentry", "fexit"})
_CALLS = (CallHelper, CallKfunc, CallFunction)


def read_early(fn: Function, _: Context) -> bool:
    """Move a single read of the context before the first call that comes before it."""
    if fn.section.split("/")[0].partition(".")[0] not in _ARGUMENTS:
        return False
    flow = Flow(fn)
    instrs = [(block, instr) for block in flow.order for instr in block.instrs]
    calls = [(block, instr) for block, instr in instrs if isinstance(instr, _CALLS)]
    reads = [(block, instr) for block, instr in instrs if isinstance(instr, CtxLoad)]
    late = [read for read in reads if _before(flow, calls, *read)]
    if len(late) != 1:
        return False
    others = [i for i in instrs if i not in late and fn.params[0] in operands(i[1])]
    if any(_before(flow, calls, *other) for other in others):
        return False
    block, read = late[0]
    above, first = _before(flow, calls, block, read) or late[0]
    block.instrs.remove(read)
    above.instrs.insert(above.instrs.index(first), read)
    return True


def _before(
    flow: Flow, calls: Sequence[tuple[Block, Value]], block: Block, instr: Value
) -> tuple[Block, Value] | None:
    """Return the first call that runs before an instruction, whichever way leads there."""
    for above, call in calls:
        if above is block:
            earlier = block.instrs.index(call) < block.instrs.index(instr)
        else:
            earlier = flow.dominates(above, block)
        if earlier:
            return above, call
    return None
