"""What an iterator is given besides what it visits: where it is, and where to write to."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.dsl.check.contexts.base import Context, Given
from pyebpf.dsl.check.convert import need_value, to_data
from pyebpf.dsl.faults import Fault, Mismatch, UnknownField, UnknownType, WrongCall
from pyebpf.dsl.scalars import IterContext
from pyebpf.dsl.typed import Effect, Evaluate, Expr, KernelRead, Literal, Object
from pyebpf.dsl.typed_context import ContextField
from pyebpf.dsl.typed_kernel import HelperCall, InMemory
from pyebpf.dsl.types import I64, NONE, Pointer, Record, Space, Static, shown
from pyebpf.ir.nodes import FieldPath
from pyebpf.spec.types import U32

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope

_META = "bpf_iter_meta"


class IteratorContext(Context):
    """``struct bpf_iter_meta``, the first argument of every iterator."""

    def attribute(self, name: str, span: Span, scope: Scope) -> Expr:
        if name not in ("session_id", "seq_num"):
            close = "; it has session_id, seq_num and emit()"
            raise Fault(UnknownField(span, type=IterContext.__name__, name=name, close=close))
        return _member(name, span, scope)

    def call(self, name: str, node: ast.Call, span: Span, scope: Scope) -> Expr:
        if name != "emit":
            return super().call(name, node, span, scope)
        if len(node.args) != 1 or node.keywords:
            raise Fault(WrongCall(span, name=name, why="takes one record"))
        given = need_value(scope.expr(node.args[0]))
        kind = given.type.to if isinstance(given.type, Pointer) else given.type
        if not isinstance(kind, Record):
            raise Fault(Mismatch(given.span, expected="a record", got=shown(given.type)))
        known = scope.unit.written.setdefault(scope.unit.program, kind)
        if known != kind:
            advice = "an iterator writes records of one type"
            raise Fault(Mismatch(given.span, expected=f"`{known}`", got=shown(kind), advice=advice))
        seq = _member("seq", span, scope)
        place = InMemory(Pointer(Space.STACK), span, to_data(given, kind))
        size = Literal(U32, span, kind.size)
        write = HelperCall(I64, span, "seq_write", (seq, place, size))
        return Effect(NONE, span, Evaluate(span, write))


def _member(name: str, span: Span, scope: Scope) -> Expr:
    kernel = scope.unit.kernel
    found = kernel.find(_META)
    step = kernel.member(found, name) if found else None
    if found is None or step is None:
        raise Fault(UnknownType(span, name=_META))
    meta = ContextField(kernel.pointer(found.id, Space.BTF), span, 0, 8)
    kind = kernel.value(step.type.id, Space.BTF)
    assert kind is not None
    return KernelRead(kind, span, meta, FieldPath(found, (step,)))


def iterator_context(item: Given, scope: Scope) -> bool:
    """Give a probe its first parameter, if it is annotated as the context."""
    if item.hint is not IterContext:
        return False
    scope.arguments[item.name] = Object(Static(IteratorContext()), scope.span(item.node))
    return True
