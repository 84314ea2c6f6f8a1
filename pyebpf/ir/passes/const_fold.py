"""Compute what is known at compile time, and drop the branches that are never taken.

Takes:  any function.
Gives:  the function; no instruction has only constants as operands, no block is unreachable.
Reports: nothing.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from pyebpf.ir.flow import Flow
from pyebpf.ir.nodes import (
    Binary,
    BinaryOp,
    Branch,
    Compare,
    CompareOp,
    Const,
    Convert,
    Jump,
    Not,
    Select,
    Value,
)
from pyebpf.ir.rewrite import drop_unreachable, replace_operands
from pyebpf.ir.types import BOOL, VOID, Pointer
from pyebpf.spec.types import Address, Bool, Int

if TYPE_CHECKING:
    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Block, Function
    from pyebpf.ir.types import Type

_COMPARE = {
    CompareOp.EQ: operator.eq,
    CompareOp.NE: operator.ne,
    CompareOp.LT: operator.lt,
    CompareOp.LE: operator.le,
    CompareOp.GT: operator.gt,
    CompareOp.GE: operator.ge,
}
_ARITHMETIC = {
    BinaryOp.ADD: operator.add,
    BinaryOp.SUB: operator.sub,
    BinaryOp.MUL: operator.mul,
    BinaryOp.FLOORDIV: operator.floordiv,
    BinaryOp.MOD: operator.mod,
    BinaryOp.AND: operator.and_,
    BinaryOp.OR: operator.or_,
    BinaryOp.XOR: operator.xor,
}
_WORD = Int(64)


def fold_constants(fn: Function, context: Context) -> bool:  # noqa: ARG001 (a pass)
    """Replace what is constant by its value."""
    known: dict[Value, Value] = {}
    settled = [_fold_block(block, known) for block in Flow(fn).order]
    dropped = drop_unreachable(fn)
    return bool(known) or any(settled) or dropped


def _fold_block(block: Block, known: dict[Value, Value]) -> bool:
    """Fold the instructions of a block; tell whether its branch has only one outcome."""
    last = block.instrs[-1]
    kept: list[Value] = []
    for instr in block.instrs:
        replace_operands(instr, known)
        folded = _fold(instr)
        if folded is not None:
            known[instr] = folded
        else:
            kept.append(_settle(instr))
    block.instrs = kept
    return kept[-1] is not last


def _settle(instr: Value) -> Value:
    """Turn a branch with one outcome into a jump."""
    if isinstance(instr, Branch):
        if isinstance(instr.condition, Const):
            chosen = instr.then if instr.condition.value else instr.other
            return Jump(VOID, instr.span, chosen)
        if instr.then is instr.other:
            return Jump(VOID, instr.span, instr.then)
    return instr


def _fold(instr: Value) -> Value | None:
    """Return what an instruction always gives, or None."""
    if isinstance(instr, Select) and isinstance(instr.condition, Const):
        return instr.then if instr.condition.value else instr.other
    number = _number(instr)
    return None if number is None else Const(instr.type, instr.span, wrap(instr.type, number))


def _number(instr: Value) -> int | None:
    if isinstance(instr, Binary):
        if isinstance(instr.left, Const) and isinstance(instr.right, Const):
            return binary(instr.op, instr.type, instr.left.value, instr.right.value)
    elif isinstance(instr, Compare):
        if isinstance(instr.left, Const) and isinstance(instr.right, Const):
            return int(_COMPARE[instr.op](instr.left.value, instr.right.value))
    elif isinstance(instr, Not) and isinstance(instr.value, Const):
        return int(not instr.value.value)
    elif isinstance(instr, Convert) and isinstance(instr.value, Const):
        return _converted(instr.type, instr.value)
    return None


def binary(op: BinaryOp, kind: Type, left: int, right: int) -> int | None:
    """Return ``left op right`` as Python computes it; None for a division by zero.

    A shift by a negative number is a shift by a large one: all bits leave.
    """
    if op in (BinaryOp.SHL, BinaryOp.SHR):
        bits = kind.size * 8
        count = right if 0 <= right < bits else bits
        return left << count if op is BinaryOp.SHL else left >> count
    if op in (BinaryOp.FLOORDIV, BinaryOp.MOD) and right == 0:
        return None
    result: int = _ARITHMETIC[op](left, right)
    return result


def wrap(kind: Type, number: int) -> int:
    """Return ``number`` as a value of the type holds it."""
    if isinstance(kind, Bool):
        return int(number != 0)
    if isinstance(kind, Int):
        return kind.wrap(number)
    return _WORD.wrap(number)


def _converted(kind: Type, value: Const) -> int | None:
    # A constant pointer other than null keeps its instruction: the emitter knows how to write it.
    if isinstance(kind, Pointer) and not isinstance(value.type, Pointer):
        return None if value.value else 0
    assert kind == BOOL or isinstance(kind, Int | Address | Pointer)
    return value.value
