"""Which nullable pointers are known not to be null, at the start of each block.

Forward data flow over the control flow graph. A state is a set of facts: a value or a slot that is
proven, or a pair (slot, value) that says the slot holds that value, so that a test of one proves
the other. Facts meet by intersection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from pyebpf.ir.nodes import (
    Branch,
    Compare,
    CompareOp,
    Const,
    Convert,
    Not,
    ReadSlot,
    Slot,
    Value,
    WriteSlot,
)
from pyebpf.ir.types import Pointer

if TYPE_CHECKING:
    from pyebpf.ir.flow import Flow
    from pyebpf.ir.nodes import Block
    from pyebpf.ir.types import Type

Fact: TypeAlias = "Value | Slot | tuple[Slot, Value]"
Facts: TypeAlias = frozenset[Fact]
_NOTHING: Facts = frozenset()


def is_nullable(kind: Type) -> bool:
    """Tell whether a type is a pointer that must be tested before use."""
    return isinstance(kind, Pointer) and kind.nullable


def proven_on_entry(flow: Flow) -> dict[Block, Facts]:
    """Return the facts that hold on every path into each block."""
    states: dict[Block, Facts] = {flow.order[0]: frozenset()}
    work = list(flow.order)
    pointers = {block: [i for i in block.instrs if matters(i)] for block in flow.order}
    while work:
        block = work.pop(0)
        if block not in states:
            continue
        after = states[block]
        for instr in pointers[block]:
            after = step(after, instr)
        for successor in dict.fromkeys(flow.after[block]):
            new = tested(block, successor, after)
            facts = after | new if new else after
            known = states.get(successor)
            merged = facts if known is None or known is facts else facts & known
            if merged != known:
                states[successor] = merged
                if successor not in work:
                    work.append(successor)
    return states


def matters(instr: Value) -> bool:
    """Tell whether an instruction changes what is known."""
    kind = instr.slot.type if isinstance(instr, WriteSlot) else instr.type
    return isinstance(kind, Pointer) and kind.nullable


def step(facts: Facts, instr: Value) -> Facts:
    """Return the facts after an instruction that matters."""
    if isinstance(instr, WriteSlot):
        facts = _forget(facts, instr.slot) | {(instr.slot, instr.value)}
        return facts | {instr.slot} if is_proven(facts, instr.value) else facts
    facts = _forget(facts, instr)  # it is another value in the next round of a loop
    if isinstance(instr, ReadSlot):
        known = {instr} if instr.slot in facts else set()
        return facts | {(instr.slot, instr)} | known
    if isinstance(instr, Convert) and is_proven(facts, instr.value):
        return facts | {instr}
    return facts


def is_proven(facts: Facts, value: Value) -> bool:
    """Tell whether a pointer may be used: proven by a test, or never null by its type."""
    return value in facts or not is_nullable(value.type)


def tested(block: Block, successor: Block, facts: Facts) -> Facts:
    """Return what the branch at the end of ``block`` proves on its way to ``successor``."""
    last = block.instrs[-1]
    if not isinstance(last, Branch) or last.then is last.other:
        return _NOTHING
    condition, wanted = last.condition, successor is last.then
    while isinstance(condition, Not):
        condition, wanted = condition.value, not wanted
    pointer = _compared_with_null(condition)
    if pointer is None or wanted != (condition.op is CompareOp.NE):  # type: ignore[attr-defined]
        return _NOTHING
    return _and_aliases(pointer, facts)


def _compared_with_null(condition: Value) -> Value | None:
    if not isinstance(condition, Compare) or condition.op not in (CompareOp.EQ, CompareOp.NE):
        return None
    for one, other in ((condition.left, condition.right), (condition.right, condition.left)):
        if is_nullable(one.type) and isinstance(other, Const) and other.value == 0:
            return one
    return None


def _and_aliases(pointer: Value, facts: Facts) -> Facts:
    pairs = [fact for fact in facts if isinstance(fact, tuple)]
    slots = {slot for slot, value in pairs if value is pointer}
    return frozenset({pointer, *slots, *(value for slot, value in pairs if slot in slots)})


def _forget(facts: Facts, gone: Value | Slot) -> Facts:
    return frozenset(
        fact
        for fact in facts
        if fact is not gone and not (isinstance(fact, tuple) and gone in fact)
    )
