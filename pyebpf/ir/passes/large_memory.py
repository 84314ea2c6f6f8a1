"""Fill and copy much memory by one call of a helper, not by hundreds of stores.

``probe_read_kernel`` sets what it cannot read to zero, so reading from address 0 fills.

Takes:  any function. One that takes a lock stays as it is: nothing may be called there.
Gives:  the same function without large ``Fill`` and ``Copy``.
Reports: nothing.
Source:  ``bpf_probe_read_kernel_common`` of ``kernel/trace/bpf_trace.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir.build import Builder
from pyebpf.ir.nodes import CallHelper, Copy, Fill, Value
from pyebpf.ir.types import I64, U32, U64, Pointer, Space

if TYPE_CHECKING:
    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Function

#: What is as large as this is cheaper by a call; LLVM writes no more than 128 stores for one fill.
LARGE_BYTES = 512
#: Memory whose address a helper may be told.
_OWN = (Space.STACK, Space.MAP, Space.RING)


def call_for_large(fn: Function, context: Context) -> bool:
    """Replace what fills or copies much by calls."""
    names = ("probe_read_kernel", "probe_read")
    helper = next((name for name in names if context.target.has(f"helper:{name}")), None)
    instrs = [instr for block in fn.blocks for instr in block.instrs]
    locks = any(isinstance(i, CallHelper) and i.helper == "spin_lock" for i in instrs)
    if helper is None or locks or not any(map(_is_large, instrs)):
        return False
    build = Builder(fn)
    for block in fn.blocks:
        before, block.instrs = block.instrs, []
        build.block = block
        for instr in before:
            if _is_large(instr):
                assert isinstance(instr, Fill | Copy)
                build.span = instr.span
                _call(build, helper, instr)
            else:
                block.instrs.append(instr)
    return True


def _is_large(instr: Value) -> bool:
    if isinstance(instr, Fill):
        return instr.size >= LARGE_BYTES and _space(instr.pointer) in _OWN
    if isinstance(instr, Copy):
        sides = {_space(instr.target), _space(instr.source)}
        return instr.size >= LARGE_BYTES and sides <= set(_OWN)
    return False


def _space(value: Value) -> Space | None:
    return value.type.space if isinstance(value.type, Pointer) else None


def _call(build: Builder, helper: str, instr: Fill | Copy) -> None:
    size = build.const(instr.size, U32)
    if isinstance(instr, Fill):
        source: Value = build.const(0, U64)
        target = instr.pointer
    else:
        source, target = build.convert(instr.source, U64), instr.target
    build.call(helper, (target, size, source), I64)
