"""Numbers in LLVM text, with Python's meaning of division, remainder and shifts.

Below cpu v4, BPF has no signed division, so it is made from the unsigned one. For ``c > 0`` and
``s = -1 if a < 0 else 0``: ``a // c == ((a ^ s) /u c) ^ s`` because ``~(~a // c)`` rounds down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.ir import nodes
from pyebpf.ir.llvm.body import llvm_type
from pyebpf.ir.nodes import BinaryOp, CompareOp, Const, Convert, CoreValue
from pyebpf.spec.types import BOOL, Bool, Int

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.ir.llvm.body import Body
    from pyebpf.ir.nodes import Value
    from pyebpf.ir.types import Type

_PLAIN = {
    BinaryOp.ADD: "add",
    BinaryOp.SUB: "sub",
    BinaryOp.MUL: "mul",
    BinaryOp.AND: "and",
    BinaryOp.OR: "or",
    BinaryOp.XOR: "xor",
}
_ORDER = {CompareOp.LT: "lt", CompareOp.LE: "le", CompareOp.GT: "gt", CompareOp.GE: "ge"}


def _is_signed(kind: Type) -> bool:
    return isinstance(kind, Int) and kind.signed


def binary(b: Body, instr: nodes.Binary) -> str:
    """Write an arithmetic instruction."""
    if instr.op in _PLAIN:
        left, right = b.typed(instr.left), b.value(instr.right)
        return b.op(f"{_PLAIN[instr.op]} {left}, {right}")
    if instr.op in (BinaryOp.SHL, BinaryOp.SHR):
        return _shift(b, instr)
    if not _is_signed(instr.type):
        word = "udiv" if instr.op is BinaryOp.FLOORDIV else "urem"
        return b.op(f"{word} {b.typed(instr.left)}, {b.value(instr.right)}")
    if isinstance(instr.right, Const) and instr.right.value > 0:
        return _by_constant(b, instr, instr.right.value)
    return _by_magnitudes(b, instr)


def _by_constant(b: Body, instr: nodes.Binary, divisor: int) -> str:
    kind, left = llvm_type(instr.type), b.value(instr.left)
    is_division = instr.op is BinaryOp.FLOORDIV
    if divisor & (divisor - 1) == 0:
        if is_division:
            return b.op(f"ashr {kind} {left}, {divisor.bit_length() - 1}")
        return b.op(f"and {kind} {left}, {divisor - 1}")
    sign = b.op(f"ashr {kind} {left}, {int(kind[1:]) - 1}")
    flipped = b.op(f"xor {kind} {left}, {sign}")
    word = "udiv" if is_division else "urem"
    found = b.op(f"{word} {kind} {flipped}, {divisor}")
    back = b.op(f"xor {kind} {found}, {sign}")
    if is_division:
        return back
    # For a < 0: ~(~a % c) + c, which is c - 1 - (~a % c).
    return b.op(f"add {kind} {back}, {b.op(f'and {kind} {sign}, {divisor}')}")


def _by_magnitudes(b: Body, instr: nodes.Binary) -> str:
    kind = llvm_type(instr.type)
    left, left_negative = _magnitude(b, kind, b.value(instr.left))
    right, right_negative = _magnitude(b, kind, b.value(instr.right))
    rest = b.op(f"urem {kind} {left}, {right}")
    uneven = b.op(f"icmp ne {kind} {rest}, 0")
    opposite = b.op(f"xor i1 {left_negative}, {right_negative}")
    adjust = b.op(f"and i1 {uneven}, {opposite}")
    if instr.op is BinaryOp.MOD:
        other_side = b.op(f"sub {kind} {right}, {rest}")
        size = b.op(f"select i1 {adjust}, {kind} {other_side}, {kind} {rest}")
        return _negated_if(b, kind, size, right_negative)
    quotient = b.op(f"udiv {kind} {left}, {right}")
    more = b.op(f"zext i1 {adjust} to {kind}")
    return _negated_if(b, kind, b.op(f"add {kind} {quotient}, {more}"), opposite)


def _magnitude(b: Body, kind: str, value: str) -> tuple[str, str]:
    negative = b.op(f"icmp slt {kind} {value}, 0")
    return _negated_if(b, kind, value, negative), negative


def _negated_if(b: Body, kind: str, value: str, condition: str) -> str:
    negated = b.op(f"sub {kind} 0, {value}")
    return b.op(f"select i1 {condition}, {kind} {negated}, {kind} {value}")


def _shift(b: Body, instr: nodes.Binary) -> str:
    kind, left, bits = llvm_type(instr.type), b.value(instr.left), int(llvm_type(instr.type)[1:])
    signed = instr.op is BinaryOp.SHR and _is_signed(instr.type)
    word = "shl" if instr.op is BinaryOp.SHL else "ashr" if signed else "lshr"
    count = b.value(instr.right)
    if _counts_in_range(instr.right, bits):
        return b.op(f"{word} {kind} {left}, {count}")
    small = b.op(f"icmp ult {kind} {count}, {bits}")
    if signed:
        most = b.op(f"select i1 {small}, {kind} {count}, {kind} {bits - 1}")
        return b.op(f"ashr {kind} {left}, {most}")
    masked = b.op(f"and {kind} {count}, {bits - 1}")
    shifted = b.op(f"{word} {kind} {left}, {masked}")
    return b.op(f"select i1 {small}, {kind} {shifted}, {kind} 0")


def _counts_in_range(count: Value, bits: int) -> bool:
    """Tell whether a shift count is known to be less than ``bits``."""
    while isinstance(count, Convert):
        count = count.value
    if isinstance(count, Const):
        return 0 <= count.value < bits
    if isinstance(count, nodes.Binary) and count.op is BinaryOp.AND:
        mask = count.right
        return isinstance(mask, Const) and 0 <= mask.value < bits
    return isinstance(count, CoreValue)  # the loader's shifts are of 64-bit words


def compare(b: Body, instr: nodes.Compare) -> str:
    """Write a comparison."""
    if instr.op in _ORDER:
        word = ("s" if _is_signed(instr.left.type) else "u") + _ORDER[instr.op]
    else:
        word = instr.op.value
    return b.op(f"icmp {word} {b.typed(instr.left)}, {b.value(instr.right)}")


def negation(b: Body, instr: nodes.Not) -> str:
    """Write a logical negation."""
    return b.op(f"xor i1 {b.value(instr.value)}, true")


def swap(b: Body, instr: nodes.Swap) -> str:
    """Write an exchange of bytes."""
    kind = llvm_type(instr.type)
    b.module.declare(f"{kind} @llvm.bswap.{kind}({kind})")
    return b.op(f"call {kind} @llvm.bswap.{kind}({b.typed(instr.value)})")


def opaque(b: Body, instr: nodes.Opaque) -> str:
    """Write a number, boolean or pointer that passes cannot look through."""
    if instr.type != BOOL:
        kept = _symbol_at(b, instr.value) or b.value(instr.value)
        return b.opaque(llvm_type(instr.type), kept)
    wide = b.op(f"zext i1 {b.value(instr.value)} to i64")
    return b.op(f"trunc i64 {b.opaque('i64', wide)} to i1")


def _symbol_at(b: Body, place: Value) -> str | None:
    """Return a symbol for a part of a global variable: the address of one is one instruction."""
    if isinstance(place, nodes.Member) and isinstance(place.base, nodes.GlobalAddr):
        return b.module.part(place.base.variable.name, place.offset)
    return None


def bounded(b: Body, instr: nodes.Bounded) -> str:
    """Write a test that LLVM, which may know the bound, does not drop, nor move what it gives."""
    kind = llvm_type(instr.type)
    wide = b.opaque(kind, b.value(instr.value))
    fits = b.op(f"icmp ule {kind} {wide}, {instr.most}")
    return b.opaque(kind, b.op(f"select i1 {fits}, {kind} {wide}, {kind} {instr.most}"))


def select(b: Body, instr: nodes.Select) -> str:
    """Write a choice between two values."""
    then, other = b.typed(instr.then), b.typed(instr.other)
    return b.op(f"select i1 {b.value(instr.condition)}, {then}, {other}")


def convert(b: Body, instr: nodes.Convert) -> str:
    """Write a conversion."""
    have, want = llvm_type(instr.value.type), llvm_type(instr.type)
    if have == want:
        return b.value(instr.value)
    if isinstance(instr.type, Bool):
        zero = "null" if have == "ptr" else "0"
        return b.op(f"icmp ne {b.typed(instr.value)}, {zero}")
    if want == "ptr":
        return b.op(f"inttoptr i64 {b.widened(instr.value)} to ptr")
    return b.widened(instr.value, bits=int(want[1:]))


ARITHMETIC: dict[type[Value], Callable[[Body, Any], str]] = {
    nodes.Binary: binary,
    nodes.Compare: compare,
    nodes.Not: negation,
    nodes.Swap: swap,
    nodes.Opaque: opaque,
    nodes.Bounded: bounded,
    nodes.Select: select,
    nodes.Convert: convert,
}
