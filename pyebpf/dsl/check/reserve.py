"""Records built in place: ``with events.reserve() as e:``, and text read into their fields."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.dsl import typed
from pyebpf.dsl.check.arrays import root
from pyebpf.dsl.check.convert import need_number
from pyebpf.dsl.check.events import reserved
from pyebpf.dsl.check.locks import locked
from pyebpf.dsl.events import Events
from pyebpf.dsl.faults import Fault, WrongCall
from pyebpf.dsl.typed import Expr, RecordField, Stmt
from pyebpf.dsl.types import I64, Chars, Pointer, Record, Space, Static

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope

#: Method of a text field → the helper that does it.
TEXT_VERBS = {
    "read_user_str": "probe_read_user_str",
    "read_kernel_str": "probe_read_kernel_str",
}


def with_(node: ast.With, scope: Scope) -> list[Stmt]:
    """Check a ``with`` statement, of a reserved record or a lock."""
    held = locked(node, scope)
    if held is not None:
        return held
    made = _reserved(node, scope)
    target = node.items[0].optional_vars
    if made is None or not isinstance(target, ast.Name):
        advice = "there are `with events.reserve() as e:` and `with entry.lock:`"
        raise scope.unsupported(node.items[0].context_expr, "this `with`", advice)
    made.variable = variable = scope.variable(target.id)
    kind = made.shape.kinds[made.number]
    assert isinstance(kind, Record)
    variable.type = Pointer(Space.STACK if made.shape.is_apart else Space.RING, kind)
    variable.reserved = True
    before = scope.flow
    scope.flow = before.assign(target.id, present=True)
    scope.held = (*scope.held, "the block of a reserved record")
    made.body = scope.block(node.body)
    scope.held = scope.held[:-1]
    # The body is skipped when the buffer is full, so nothing that it assigns is certain.
    scope.flow = before.merge(scope.flow).without(target.id)
    return [made]


def _reserved(node: ast.With, scope: Scope) -> typed.Reserve | None:
    call = node.items[0].context_expr
    if len(node.items) != 1 or not isinstance(call, ast.Call) or call.keywords:
        return None
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "reserve":
        return None
    base = scope.expr(call.func.value).type
    value = base.value if isinstance(base, Static) else None
    if not isinstance(value, Events) or len(call.args) > 1:
        return None
    given = scope.expr(call.args[0]) if call.args else None
    return reserved(value, given, scope.span(call), scope)


def is_text_place(base: Expr) -> bool:
    """Tell whether an expression is a text field that can be written."""
    if not isinstance(base, RecordField) or not isinstance(base.type, Chars):
        return False
    kind = root(base).type
    return isinstance(kind, Pointer) and kind.space in (Space.MAP, Space.RING, Space.STACK)


def read_text(base: Expr, name: str, args: list[Expr], span: Span) -> Expr:
    """Check ``e.path.read_user_str(address)``."""
    helper = TEXT_VERBS.get(name)
    if helper is None:
        advice = f"it has {', '.join(TEXT_VERBS)}"
        raise Fault(WrongCall(span, name=name, why="is no method of a text field", advice=advice))
    if len(args) != 1:
        raise Fault(WrongCall(span, name=name, why="takes one argument, an address"))
    assert isinstance(base, RecordField)
    return typed.ReadText(I64, span, base, helper, need_number(args[0]))
