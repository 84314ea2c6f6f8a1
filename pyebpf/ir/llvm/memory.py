"""Slots, loads, stores and addresses in LLVM text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.abi.helpers import HELPERS
from pyebpf.ir import nodes
from pyebpf.ir.align import WORD, alignment
from pyebpf.ir.llvm.body import llvm_type, memory_type
from pyebpf.ir.nodes import BinaryOp, CompareOp, Const, Convert, RmwOp
from pyebpf.ir.types import VOID, Pointer, Space
from pyebpf.spec.types import Bool, Int

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.ir.llvm.body import Body
    from pyebpf.ir.nodes import Value
    from pyebpf.ir.types import Type


def _space(value: Value) -> Space | None:
    return value.type.space if isinstance(value.type, Pointer) else None


def _natural(kind: Type) -> int:
    # BPF splits what it thinks is unaligned into bytes; all data here is laid out as C would.
    return kind.size


def from_memory(b: Body, kind: Type, loaded: str) -> str:
    """Return what was loaded as a value in a register."""
    return b.op(f"icmp ne i8 {loaded}, 0") if isinstance(kind, Bool) else loaded


def to_memory(b: Body, value: Value) -> str:
    """Return a value, with its type, as it is stored."""
    if isinstance(value.type, Bool):
        return f"i8 {b.op(f'zext i1 {b.value(value)} to i8')}"
    return b.typed(value)


def _load(b: Body, kind: Type, address: str, word: str = "load") -> str:
    loaded = b.op(f"{word} {memory_type(kind)}, ptr {address}, align {_natural(kind)}")
    return from_memory(b, kind, loaded)


def read_slot(b: Body, instr: nodes.ReadSlot) -> str:
    """Write the reading of a variable."""
    return _load(b, instr.type, b.slots[instr.slot])


def write_slot(b: Body, instr: nodes.WriteSlot) -> str:
    """Write an assignment to a variable."""
    align = _natural(instr.slot.type)
    b.do(f"store {to_memory(b, instr.value)}, ptr {b.slots[instr.slot]}, align {align}")
    return ""


def slot_addr(b: Body, instr: nodes.SlotAddr) -> str:
    """Return the address of a variable."""
    return b.slots[instr.slot]


def load(b: Body, instr: nodes.Load) -> str:
    """Write a load."""
    context, offset = _in_context(instr.pointer)
    if context is not None:
        size = instr.type.size
        return from_memory(
            b, instr.type, _ctx_read(b, context, offset, size, memory_type(instr.type))
        )
    word = "load volatile" if instr.volatile or _is_global(instr.pointer) else "load"
    return _load(b, instr.type, b.value(instr.pointer), word)


def store(b: Body, instr: nodes.Store) -> str:
    """Write a store."""
    context, offset = _in_context(instr.pointer)
    if context is not None:
        _ctx_write(b, context, offset, instr.value)
        return ""
    align = _natural(instr.value.type)
    word = "store volatile" if instr.volatile or _is_global(instr.pointer) else "store"
    b.do(f"{word} {to_memory(b, instr.value)}, ptr {b.value(instr.pointer)}, align {align}")
    return ""


def _in_context(pointer: Value) -> tuple[Value | None, int]:
    """Return the context and a constant offset in it; no context if the address is another."""
    offset = 0
    while isinstance(pointer, nodes.Member | nodes.Element):
        if isinstance(pointer, nodes.Member):
            offset += pointer.offset
        elif isinstance(pointer.index, Const):
            offset += pointer.index.value * pointer.stride
        else:
            return None, 0
        pointer = pointer.base
    is_context = isinstance(pointer, nodes.Param) and _space(pointer) is Space.CTX
    return (pointer if is_context else None), offset


def _is_global(pointer: Value) -> bool:
    # Others read and write it too, so LLVM must do what is written: no load for two, none for none.
    while isinstance(pointer, nodes.Member | nodes.Element):
        pointer = pointer.base
    return isinstance(pointer, nodes.GlobalAddr)


def store_unknown(b: Body, instr: nodes.StoreUnknown) -> str:
    """Write a store of a number that the verifier does not know, though it may be a constant."""
    address = b.value(instr.pointer)
    word = b.value(instr.value) if llvm_type(instr.value.type) == "i64" else _as_word(b, instr)
    hidden = b.op(f"xor i64 {word}, {_unknown_zero(b, address)}")
    b.do(f"store i64 {hidden}, ptr {address}, align 8")
    return ""


def _unknown_zero(b: Body, address: str) -> str:
    # The verifier follows constants, zeros in parts of a word too. The difference of two pointers
    # is a number that it knows nothing about (``adjust_reg_min_max_vals``).
    first = b.opaque("i64", b.op(f"ptrtoint ptr {address} to i64"))
    return b.opaque("i64", b.op(f"sub i64 {b.opaque('i64', first)}, {first}"))


def _as_word(b: Body, instr: nodes.StoreUnknown) -> str:
    if isinstance(instr.value.type, Bool):
        return b.op(f"zext i1 {b.value(instr.value)} to i64")
    return b.widened(instr.value)


def forget(b: Body, instr: nodes.Forget) -> str:
    """Let a helper copy memory onto itself: of what helpers write, the verifier knows nothing."""
    copier = f"inttoptr (i64 {HELPERS['probe_read_kernel'].id} to ptr)"
    address = b.value(instr.pointer)
    b.do(f"call i64 {copier}(ptr {address}, i64 {instr.size}, ptr {address})")
    return ""


def fill(b: Body, instr: nodes.Fill) -> str:
    """Write zeros."""
    b.module.declare("void @llvm.memset.inline.p0.i64(ptr, i8, i64, i1)")
    target = f"ptr align {alignment(instr.pointer)} {b.value(instr.pointer)}"
    b.do(f"call void @llvm.memset.inline.p0.i64({target}, i8 0, i64 {instr.size}, i1 false)")
    return ""


def copy(b: Body, instr: nodes.Copy) -> str:
    """Write a copy, at the widest steps that both sides allow."""
    b.module.declare("void @llvm.memcpy.inline.p0.p0.i64(ptr, ptr, i64, i1)")
    both = min(alignment(instr.target), alignment(instr.source))
    sides = ", ".join(f"ptr align {both} {b.value(side)}" for side in (instr.target, instr.source))
    b.do(f"call void @llvm.memcpy.inline.p0.p0.i64({sides}, i64 {instr.size}, i1 false)")
    return ""


_RMW = {RmwOp.ADD: "add", RmwOp.AND: "and", RmwOp.OR: "or", RmwOp.XOR: "xor"}


def _is_zero(value: Value) -> bool:
    return isinstance(value, Const) and not value.value


def atomic_rmw(b: Body, instr: nodes.AtomicRmw) -> str:
    """Write a change that loses no update; without a user of the result, a plain ``xadd``."""
    if instr.type == VOID and instr.op is RmwOp.ADD and _is_zero(instr.value):
        return ""  # LLVM would write an atomic ``or``, which kernels before 5.12 do not have
    word = _RMW.get(instr.op, "xchg")
    value, align = b.typed(instr.value), _natural(instr.value.type)
    order = "monotonic" if instr.type == VOID else "seq_cst"
    return b.op(f"atomicrmw {word} ptr {b.value(instr.pointer)}, {value} {order}, align {align}")


def compare_exchange(b: Body, instr: nodes.CompareExchange) -> str:
    """Write a store that happens only where an expected number stands."""
    expected, new, align = b.typed(instr.expected), b.typed(instr.new), _natural(instr.type)
    pair = b.op(
        f"cmpxchg ptr {b.value(instr.pointer)}, {expected}, {new} seq_cst seq_cst, align {align}"
    )
    return b.op(f"extractvalue {{ {llvm_type(instr.type)}, i1 }} {pair}, 0")


def global_addr(b: Body, instr: nodes.GlobalAddr) -> str:  # noqa: ARG001 (a handler)
    """Return the address of a global variable; the loader puts it into the instruction."""
    return f"@{instr.variable.name}"


def member(b: Body, instr: nodes.Member) -> str:
    """Write the address of a member."""
    if not instr.offset:
        return b.value(instr.base)
    return b.op(f"getelementptr inbounds i8, ptr {b.value(instr.base)}, i64 {instr.offset}")


def element(b: Body, instr: nodes.Element) -> str:
    """Write the address of an element, with a bound that the verifier sees.

    LLVM may know a bound from a test that the verifier has forgotten, and would drop ours; so the
    index first becomes opaque. The bounded result is opaque too, unless it is masked: LLVM would
    apply the stride before the test, and would not add the register that was tested.
    """
    base = b.value(instr.base)
    if isinstance(instr.index, Const):
        offset = str(instr.index.value * instr.stride)
        return b.op(f"getelementptr inbounds i8, ptr {base}, i64 {offset}")
    index, last, masks = _bounded_by_user(instr.index, instr.length)
    wide = b.opaque("i64", _index(b, index))
    if masks:
        inside = b.op(f"and i64 {wide}, {last}")
    else:
        fits = b.op(f"icmp ule i64 {wide}, {last}")
        inside = b.opaque("i64", b.op(f"select i1 {fits}, i64 {wide}, i64 {last}"))
    offset = inside if instr.stride == 1 else b.op(f"mul i64 {inside}, {instr.stride}")
    if _space(instr.base) is Space.STACK:
        # LLVM knows the low bits of a stack address and would add with ``|``, refused for pointers.
        base = b.opaque("ptr", base)
    return b.op(f"getelementptr inbounds i8, ptr {base}, i64 {offset}")


def _bounded_by_user(index: Value, length: int) -> tuple[Value, int, bool]:
    """Return what to bound, the last index, and whether by a mask.

    A mask that the program applies is bound enough, and so is a last index that it takes for all
    that are greater: ours does the same in the place of that.
    """
    inner = index
    while isinstance(inner, Convert) and inner.type.size >= inner.value.type.size:
        inner = inner.value
    if isinstance(inner, nodes.Binary) and inner.op is BinaryOp.AND:
        for value, mask in ((inner.left, inner.right), (inner.right, inner.left)):
            if isinstance(mask, Const) and 0 <= mask.value < length and _is_mask(mask.value):
                return value, mask.value, True
    if isinstance(inner, nodes.Select) and isinstance(inner.condition, nodes.Compare):
        test, last = inner.condition, inner.then
        above = test.op is CompareOp.GT and test.left is inner.other and _same(test.right, last)
        if above and isinstance(last, Const) and 0 <= last.value < length:
            return test.left, last.value, False
    return index, length - 1, _is_mask(length - 1)


def _same(left: Value, right: Value) -> bool:
    """Tell whether two values are one unsigned constant."""
    both = isinstance(left, Const) and isinstance(right, Const) and left.value == right.value
    return both and isinstance(left.type, Int) and not left.type.signed


def _is_mask(number: int) -> bool:
    return number & (number + 1) == 0


def _index(b: Body, index: Value) -> str:
    have = llvm_type(index.type)
    return b.resized(b.value(index), int(have[1:]), 64, signed=False)


def ctx_load(b: Body, instr: nodes.CtxLoad) -> str:
    """Write a read of the context."""
    is_pointer = isinstance(instr.type, Pointer) and instr.width == WORD
    kind = "ptr" if is_pointer else f"i{instr.width * 8}"
    loaded = _ctx_read(b, instr.context, instr.offset, instr.width, kind)
    return loaded if kind == "ptr" else _ctx_value(b, instr, loaded)


def _ctx_read(b: Body, context: Value, offset: int, width: int, kind: str) -> str:
    """Write one load at a constant offset from the context; LLVM cannot divide or merge it."""
    name = f"@llvm.bpf.getelementptr.and.load.{'p0' if kind == 'ptr' else kind}"
    b.module.declare(f"{kind} {name}(ptr, i1, i8, i8, i8, i1, ...)")
    volatile = "false" if b.is_tracing else "true"
    # Operands: volatile, ordering (none), synchronisation scope (system), log2 of the alignment.
    return b.op(
        f"call {kind} (ptr, i1, i8, i8, i8, i1, ...) {name}(ptr elementtype(i8) "
        f"{b.value(context)}, i1 {volatile}, i8 0, i8 1, i8 {width.bit_length() - 1}, "
        f"i1 true, i64 {offset})" + (" memory(argmem: read)" if b.is_tracing else "")
    )


def _ctx_write(b: Body, context: Value, offset: int, value: Value) -> None:
    """Write one store at a constant offset from the context."""
    stored = to_memory(b, value)
    kind = stored.partition(" ")[0]
    name = f"@llvm.bpf.getelementptr.and.store.{'p0' if kind == 'ptr' else kind}"
    b.module.declare(f"void {name}({kind}, ptr, i1, i8, i8, i8, i1, ...)")
    b.do(
        f"call void ({kind}, ptr, i1, i8, i8, i8, i1, ...) {name}({stored}, ptr elementtype(i8) "
        f"{b.value(context)}, i1 true, i8 0, i8 1, i8 {value.type.size.bit_length() - 1}, "
        f"i1 true, i64 {offset})"
    )


def advance(b: Body, instr: nodes.Advance) -> str:
    """Write the address of a place in a packet, in the register that is tested then."""
    offset = b.op(f"and i64 {b.opaque('i64', b.value(instr.offset))}, {nodes.MAX_PACKET_OFFSET}")
    moved = b.op(f"getelementptr i8, ptr {b.value(instr.base)}, i64 {offset}")
    return b.opaque("ptr", moved)


def within(b: Body, instr: nodes.Within) -> str:
    """Write the test of a place against the end of its packet, as the verifier knows it."""
    after = b.op(f"getelementptr i8, ptr {b.value(instr.pointer)}, i64 {instr.size}")
    return b.op(f"icmp ule ptr {after}, {b.value(instr.end)}")


def _ctx_value(b: Body, instr: nodes.CtxLoad, loaded: str) -> str:
    have, signed = instr.width * 8, isinstance(instr.type, Int) and instr.type.signed
    if isinstance(instr.type, Bool):
        # Only the low byte of an argument's word is the boolean.
        return b.op(f"icmp ne i8 {b.resized(loaded, have, 8, signed=False)}, 0")
    want = llvm_type(instr.type)
    if want == "ptr":
        return b.op(f"inttoptr i64 {b.resized(loaded, have, 64, signed=False)} to ptr")
    return b.resized(loaded, have, int(want[1:]), signed=signed)


MEMORY: dict[type[Value], Callable[[Body, Any], str]] = {
    nodes.ReadSlot: read_slot,
    nodes.WriteSlot: write_slot,
    nodes.SlotAddr: slot_addr,
    nodes.Load: load,
    nodes.Store: store,
    nodes.StoreUnknown: store_unknown,
    nodes.Fill: fill,
    nodes.Forget: forget,
    nodes.Copy: copy,
    nodes.AtomicRmw: atomic_rmw,
    nodes.CompareExchange: compare_exchange,
    nodes.GlobalAddr: global_addr,
    nodes.Member: member,
    nodes.Element: element,
    nodes.CtxLoad: ctx_load,
    nodes.Advance: advance,
    nodes.Within: within,
}
