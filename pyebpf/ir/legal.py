"""What well-formed IR is, and the check that runs after each pass.

A fault found here is a bug of this package: the user's program was already accepted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.errors import InternalError
from pyebpf.ir import nodes
from pyebpf.ir.flow import Flow
from pyebpf.ir.nodes import CompareOp, Const, Value, operands
from pyebpf.ir.nullness import is_nullable, is_proven, matters, proven_on_entry, step
from pyebpf.ir.text import instruction_text
from pyebpf.ir.types import BOOL, VOID, Pointer, Space
from pyebpf.spec.types import Address, Bool, Int

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.ir.nodes import Block, Function
    from pyebpf.ir.types import Type

#: No such instruction is left once the pass of this name has run.
GONE_AFTER = {
    "kernel_access": (nodes.KernelLoad, nodes.BitfieldRead),
    "loops": (nodes.NextEntry, nodes.EntryPart),
}
#: The fields that an instruction goes through to memory, so that they must not be null.
THROUGH: dict[type[Value], tuple[str, ...]] = {
    **dict.fromkeys(
        (nodes.Load, nodes.Store, nodes.StoreUnknown, nodes.Fill, nodes.Forget), ("pointer",)
    ),
    **dict.fromkeys((nodes.AtomicRmw, nodes.CompareExchange), ("pointer",)),
    nodes.Copy: ("target", "source"),
    **dict.fromkeys((nodes.Member, nodes.Element), ("base",)),
}
_DEREFERENCING = frozenset({*THROUGH, nodes.Convert})
MAX_HELPER_ARGS = 5
_NUMBERS = (Int, Address)
_SCALARS = (*_NUMBERS, Bool, Pointer)


def verify(fn: Function, after: str) -> None:
    """Check a function.

    Raises:
        InternalError: naming the pass that ran last, the block and the instruction.
    """
    _Check(fn, after).run()


def check_leftovers(fn: Function, after: str) -> None:
    """Check that a pass has left nothing of what it is to replace.

    Raises:
        InternalError: naming the pass and the instruction.
    """
    gone = GONE_AFTER.get(after, ())
    for instr in (instr for block in fn.blocks for instr in block.instrs) if gone else ():
        if isinstance(instr, gone):
            why = f"`{instruction_text(instr)}`: this pass should have replaced it"
            raise InternalError(_fault(fn, after, why))


def _fault(fn: Function, after: str, what: str) -> str:
    return f"after pass {after}: {fn.name}, {what}"


class _Check:
    def __init__(self, fn: Function, after: str) -> None:
        self.fn = fn
        self.after = after

    def run(self) -> None:
        self.shape()
        self.flow = Flow(self.fn)
        self.places: dict[Value, Block] = dict.fromkeys(self.fn.params, self.flow.order[0])
        self.slots = set(self.fn.slots)
        # A block comes after those that dominate it: what it may use has been seen before it.
        for block in self.flow.order:
            for instr in block.instrs:
                self.instruction(block, instr)
                self.places[instr] = block
        self.null_tests()

    def fail(self, block: Block, instr: Value | None, why: str) -> None:
        where = f" at `{instruction_text(instr)}`" if instr is not None else ""
        raise InternalError(_fault(self.fn, self.after, f"block {block.name}{where}: {why}"))

    def shape(self) -> None:
        blocks = set(self.fn.blocks)
        for block in self.fn.blocks:
            if not block.instrs or not isinstance(block.instrs[-1], nodes.TERMINATORS):
                self.fail(block, None, "the block does not end in a terminator")
            for instr in block.instrs[:-1]:
                if type(instr) in nodes.TERMINATORS:
                    self.fail(block, instr, "a terminator in the middle of a block")
            for successor in block.successors():
                if successor not in blocks:
                    self.fail(block, block.instrs[-1], f"no block {successor.name} here")

    def instruction(self, block: Block, instr: Value) -> None:
        if instr in self.places:
            self.fail(block, instr, "the instruction stands in the function twice")
        for used in operands(instr):
            if not self.defined(used, block):
                self.fail(block, instr, f"uses `{instruction_text(used)}` before it is computed")
        slot = instr.__dict__.get("slot")
        if slot is not None and slot not in self.slots:
            self.fail(block, instr, f"slot {slot.name} is not of this function")
        rule = RULES.get(type(instr))
        why = rule(instr) if rule else f"{type(instr).__name__} is no instruction"
        if why is None and isinstance(instr, nodes.Return):
            why = _returns(self.fn, instr)
        if why is not None:
            self.fail(block, instr, why)

    def defined(self, used: Value, block: Block) -> bool:
        place = self.places.get(used)
        if place is None:
            return isinstance(used, Const)
        return place is block or self.flow.dominates(place, block)

    def null_tests(self) -> None:
        if not any(is_nullable(i.type) for b in self.flow.order for i in b.instrs):
            return
        for block, before in proven_on_entry(self.flow).items():
            facts = before
            for instr in block.instrs:
                if type(instr) in _DEREFERENCING:
                    for pointer in _dereferenced(instr):
                        if not is_proven(facts, pointer):
                            self.fail(block, instr, "no test against null protects this access")
                if matters(instr):
                    facts = step(facts, instr)


def _dereferenced(instr: Value) -> tuple[Value, ...]:
    if isinstance(instr, nodes.Convert):
        plain = isinstance(instr.type, Pointer) and not instr.type.nullable
        return (instr.value,) if plain else ()
    return tuple(instr.__dict__[name] for name in THROUGH.get(type(instr), ()))


# Each rule returns what is wrong with an instruction, or None.


def _is_number(kind: Type) -> bool:
    return isinstance(kind, _NUMBERS)


def _is_scalar(kind: Type) -> bool:
    return isinstance(kind, _SCALARS)


def _fits(have: Type, want: Type) -> bool:
    """Tell whether a value of one type may stand where the other is expected."""
    if isinstance(have, Pointer) and isinstance(want, Pointer):
        return have.space is want.space
    return have == want


def _no_result(instr: Value) -> str | None:
    return None if instr.type == VOID else "gives no value, so its type is void"


def _points(value: Value) -> str | None:
    return None if isinstance(value.type, Pointer) else f"{value.type} is no pointer"


def _read_slot(instr: nodes.ReadSlot) -> str | None:
    if not _is_scalar(instr.slot.type):
        return f"{instr.slot.type} is no value of a register; take the slot's address"
    return None if instr.type == instr.slot.type else f"the slot holds {instr.slot.type}"


def _write_slot(instr: nodes.WriteSlot) -> str | None:
    if not _is_scalar(instr.slot.type):
        return f"{instr.slot.type} is no value of a register; take the slot's address"
    if not _fits(instr.value.type, instr.slot.type):
        return f"{instr.value.type} does not fit a slot of {instr.slot.type}"
    return _no_result(instr)


def _slot_addr(instr: nodes.SlotAddr) -> str | None:
    stack = isinstance(instr.type, Pointer) and instr.type.space is Space.STACK
    return None if stack else "the address of a slot points into the stack"


def _binary(instr: nodes.Binary) -> str | None:
    if not _is_number(instr.type):
        return f"no arithmetic on {instr.type}"
    if instr.left.type != instr.type or instr.right.type != instr.type:
        return f"operands {instr.left.type} and {instr.right.type} of a {instr.type}"
    return None


def _compare(instr: nodes.Compare) -> str | None:
    left, right = instr.left.type, instr.right.type
    if instr.type != BOOL:
        return "a comparison gives bool"
    if not _is_scalar(left) or not _fits(left, right):
        return f"cannot compare {left} with {right}"
    ordered = instr.op not in (CompareOp.EQ, CompareOp.NE)
    return f"{left} has no order" if ordered and not _is_number(left) else None


def _not(instr: nodes.Not) -> str | None:
    return None if instr.type == BOOL == instr.value.type else "it takes and gives bool"


def _opaque(instr: nodes.Opaque) -> str | None:
    kind = instr.type
    fits = kind == instr.value.type and isinstance(kind, (Bool, Int, Pointer))
    return None if fits else "it takes and gives a number, a boolean or a pointer"


def _bounded(instr: nodes.Bounded) -> str | None:
    kind = instr.type
    fits = isinstance(kind, Int) and not kind.signed and kind == instr.value.type
    return None if fits else "it takes and gives an unsigned number"


def _swap(instr: nodes.Swap) -> str | None:
    if not isinstance(instr.type, Int) or instr.type.size == 1:
        return f"{instr.type} has no bytes to exchange"
    return None if instr.value.type == instr.type else f"takes {instr.value.type}"


def _select(instr: nodes.Select) -> str | None:
    if instr.condition.type != BOOL:
        return "the condition is not bool"
    both = _fits(instr.then.type, instr.type) and _fits(instr.other.type, instr.type)
    return None if both else f"chooses between {instr.then.type} and {instr.other.type}"


def _convert(instr: nodes.Convert) -> str | None:
    have, want = instr.value.type, instr.type
    if not _is_scalar(have) or not _is_scalar(want):
        return f"cannot convert {have} to {want}"
    if isinstance(want, Pointer) and not isinstance(have, Pointer) and have.size != 8:
        return f"{have} is no address"
    return None


def _address(instr: Any) -> str | None:
    return _points(instr.base) or _points(instr)


def _element(instr: nodes.Element) -> str | None:
    if not isinstance(instr.index.type, Int):
        return f"{instr.index.type} is no index"
    if instr.length < 1 or instr.stride < 1:
        return "an array has at least one element of at least one byte"
    return _address(instr)


def _load(instr: nodes.Load | nodes.KernelLoad) -> str | None:
    return _points(instr.pointer) or (None if _is_scalar(instr.type) else f"loads {instr.type}")


def _kernel_load(instr: nodes.KernelLoad) -> str | None:
    space = getattr(instr.pointer.type, "space", None)
    if space not in (Space.BTF, Space.KERNEL, Space.USER):
        return f"{instr.pointer.type} is not a kernel's or a process's address"
    return _load(instr)


def _store(instr: nodes.Store | nodes.StoreUnknown) -> str | None:
    if not _is_scalar(instr.value.type):
        return f"stores {instr.value.type}"
    return _points(instr.pointer) or _no_result(instr)


def _fill(instr: nodes.Fill | nodes.Forget) -> str | None:
    return _points(instr.pointer) or _room(instr.pointer, instr.size) or _no_result(instr)


def _room(pointer: Value, size: int) -> str | None:
    if isinstance(pointer, nodes.SlotAddr) and not 0 < size <= pointer.slot.type.size:
        return f"{size} bytes in a slot of {pointer.slot.type.size}"
    return None


def _copy(instr: nodes.Copy) -> str | None:
    for side in (instr.target, instr.source):
        if _points(side) or _room(side, instr.size):
            return _points(side) or _room(side, instr.size)
        if isinstance(side.type, Pointer) and side.type.space in (Space.KERNEL, Space.USER):
            return f"{side.type} must be read by a helper"
    return _no_result(instr)


def _atomic(instr: nodes.AtomicRmw) -> str | None:
    if instr.type not in (VOID, instr.value.type):
        return "gives the old value or nothing"
    return _atomic_place(instr.pointer, instr.value.type)


def _atomic_place(pointer: Value, kind: Type) -> str | None:
    if not isinstance(kind, Int) or kind.bits < 32:
        return f"nothing is atomic with {kind}"
    return _points(pointer)


def _compare_exchange(instr: nodes.CompareExchange) -> str | None:
    if not instr.type == instr.expected.type == instr.new.type:
        return f"{instr.expected.type}, {instr.new.type} and {instr.type} are of one type"
    return _atomic_place(instr.pointer, instr.type)


def _global_addr(instr: nodes.GlobalAddr) -> str | None:
    if len(instr.variable.initial) != instr.variable.type.size:
        return f"{len(instr.variable.initial)} bytes for {instr.variable.type}"
    shared = isinstance(instr.type, Pointer) and instr.type.space is Space.MAP
    return None if shared else "a global variable is in a map"


def _ctx_load(instr: nodes.CtxLoad) -> str | None:
    if not isinstance(instr.context.type, Pointer) or instr.context.type.space is not Space.CTX:
        return "only the context is read this way"
    if instr.width not in (1, 2, 4, 8) or instr.offset < 0 or instr.offset % instr.width:
        return f"cannot load {instr.width} bytes at {instr.offset}"
    return None if _is_scalar(instr.type) else f"loads {instr.type}"


def _advance(instr: nodes.Advance) -> str | None:
    if not isinstance(instr.offset.type, Int) or instr.offset.type.size != 8:
        return f"moves by {instr.offset.type}"
    return _address(instr)


def _within(instr: nodes.Within) -> str | None:
    if instr.size < 1 or not _fits(instr.pointer.type, instr.end.type):
        return f"{instr.size} bytes between {instr.pointer.type} and {instr.end.type}"
    return None if instr.type == BOOL else f"gives {instr.type}"


def _map_handle(instr: nodes.MapHandle) -> str | None:
    return _points(instr)


def _helper(instr: nodes.CallHelper | nodes.CallKfunc) -> str | None:
    if len(instr.args) > MAX_HELPER_ARGS:
        return f"a helper takes at most {MAX_HELPER_ARGS} arguments"
    return _call(instr)


def _constant_address(instr: nodes.KernelSymbol | nodes.ConstText) -> str | None:
    return _points(instr)


def _call(instr: nodes.CallHelper | nodes.CallKfunc | nodes.CallFunction) -> str | None:
    for arg in instr.args:
        if not _is_scalar(arg.type):
            return f"passes {arg.type}"
    return None if instr.type == VOID or _is_scalar(instr.type) else f"gives {instr.type}"


def _next_entry(instr: nodes.NextEntry) -> str | None:
    return None if instr.type == BOOL else f"gives {instr.type}"


def _core(instr: nodes.CoreValue) -> str | None:
    return None if isinstance(instr.type, Int | Bool) else f"gives {instr.type}"


def _bitfield(instr: nodes.BitfieldRead) -> str | None:
    if not isinstance(instr.type, Int | Bool) or not instr.path.steps:
        return f"reads {instr.type} at {instr.path}"
    return _points(instr.base)


def _branch(instr: nodes.Branch) -> str | None:
    return None if instr.condition.type == BOOL else f"branches on {instr.condition.type}"


def _returns(fn: Function, instr: nodes.Return) -> str | None:
    if fn.section and not (isinstance(fn.result, Int) and fn.result.bits in (32, 64)):
        return f"an entry function returns a number of 32 or 64 bits, not {fn.result}"
    have = VOID if instr.value is None else instr.value.type
    return None if _fits(have, fn.result) else f"returns {have}, declared {fn.result}"


RULES: dict[type[Value], Callable[[Any], str | None]] = {
    nodes.ReadSlot: _read_slot,
    nodes.WriteSlot: _write_slot,
    nodes.SlotAddr: _slot_addr,
    nodes.Binary: _binary,
    nodes.Compare: _compare,
    nodes.Not: _not,
    nodes.Opaque: _opaque,
    nodes.Bounded: _bounded,
    nodes.Swap: _swap,
    nodes.Select: _select,
    nodes.Convert: _convert,
    nodes.Member: _address,
    nodes.Element: _element,
    nodes.Load: _load,
    nodes.Store: _store,
    nodes.StoreUnknown: _store,
    nodes.Fill: _fill,
    nodes.Forget: _fill,
    nodes.Copy: _copy,
    nodes.AtomicRmw: _atomic,
    nodes.CompareExchange: _compare_exchange,
    nodes.GlobalAddr: _global_addr,
    nodes.CtxLoad: _ctx_load,
    nodes.Advance: _advance,
    nodes.Within: _within,
    nodes.MapHandle: _map_handle,
    nodes.CallHelper: _helper,
    nodes.CallKfunc: _helper,
    nodes.KernelSymbol: _constant_address,
    nodes.ConstText: _constant_address,
    nodes.CallFunction: _call,
    nodes.FuncAddr: _points,
    nodes.NextEntry: _next_entry,
    nodes.EntryPart: _points,
    nodes.FieldAddr: _address,
    nodes.KernelLoad: _kernel_load,
    nodes.BitfieldRead: _bitfield,
    nodes.CoreValue: _core,
    nodes.Jump: _no_result,
    nodes.Branch: _branch,
    nodes.Return: _no_result,
}
