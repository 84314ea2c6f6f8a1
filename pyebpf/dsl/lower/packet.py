"""Records in packets, and pointers of the context that may be null."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.dsl.lower.maps import Optional
from pyebpf.dsl.lower.symbols import optional_pointer
from pyebpf.dsl.typed_context import ContextField, PacketAt, PacketCopy
from pyebpf.dsl.types import BOOL, Maybe, Pointer, Record
from pyebpf.ir import nodes
from pyebpf.ir.nodes import CompareOp, Const, Value
from pyebpf.ir.types import I64, U32, U64

if TYPE_CHECKING:
    from pyebpf.dsl.lower.expr import Expressions

#: An offset that ``skb_load_bytes`` refuses.
_NOWHERE = 0xFFFFFFFF


def optional_pointer_of(low: Expressions, expr: ContextField) -> Optional:
    """Lower a pointer of the context that may be None."""
    assert isinstance(expr.type, Maybe)
    kind = expr.type.inner
    assert isinstance(kind, Pointer)
    load = nodes.CtxLoad(
        kind.replace(nullable=True), expr.span, low.context, expr.offset, expr.width
    )
    return optional_pointer(low, low.build.add(load), kind)


def packet_at(low: Expressions, expr: PacketAt) -> Optional:
    """Lower a look at a place of a packet: there, or None."""
    assert isinstance(expr.type, Maybe)
    kind = expr.type.inner
    assert isinstance(kind, Pointer)
    assert kind.to is not None
    build = low.build
    at = low.number(expr.at)
    begin, end = low.number(expr.begin), low.number(expr.end)
    flag, value = build.slot("found", BOOL), build.slot("record", kind)
    build.write(flag, build.const(0, BOOL))
    build.write(value, build.const(0, kind))
    miss = build.new_block("miss")
    place = _moved(low, begin, at, kind, miss)
    hit = build.new_block("hit")
    size = kind.to.size  # type: ignore[union-attr]
    build.branch(build.add(nodes.Within(BOOL, expr.span, place, end, size)), hit, miss)
    build.start(hit)
    build.write(value, place)
    # Comparing once more would tell the verifier nothing: it does not know that both agree.
    build.write(flag, build.add(nodes.Opaque(BOOL, expr.span, build.const(1, BOOL))))
    build.jump(miss)
    build.start(miss)
    return Optional(build.read(flag), build.read(value))


def packet_copy(low: Expressions, expr: PacketCopy) -> Optional:
    """Lower a look at a place of a packet that can only be copied from."""
    assert isinstance(expr.type, Maybe)
    kind = expr.type.inner
    assert isinstance(kind, Pointer)
    assert isinstance(kind.to, Record)
    build = low.build
    at = low.number(expr.at)
    build.span = expr.span
    last = build.const(_NOWHERE, U64)  # no offset loses its upper half below
    near = build.compare(CompareOp.LT, at, last)
    offset = build.convert(build.add(nodes.Select(U64, expr.span, near, at, last)), U32)
    target = build.addr(build.slot("copy", kind.to))
    size = build.const(kind.to.size, U32)
    answer = build.call("skb_load_bytes", (low.context, offset, target, size), I64)
    good = build.compare(CompareOp.EQ, answer, build.const(0, I64))
    return Optional(good, build.convert(target, kind))


def _moved(low: Expressions, begin: Value, at: Value, kind: Pointer, miss: nodes.Block) -> Value:
    build = low.build
    if isinstance(at, Const) and 0 <= at.value <= nodes.MAX_PACKET_OFFSET:
        return build.add(nodes.Member(kind, build.span, begin, at.value))
    near = build.new_block("near")
    far = build.compare(CompareOp.GT, at, build.const(nodes.MAX_PACKET_OFFSET, U64))
    build.branch(far, miss, near)
    build.start(near)
    return build.add(nodes.Advance(kind, build.span, begin, at))
