"""Text: what is compared with what, and its methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.dsl import typed
from pyebpf.dsl.check.convert import literal
from pyebpf.dsl.check.effects import has_effects
from pyebpf.dsl.faults import Fault, Mismatch, WrongCall
from pyebpf.dsl.typed import Expr, Logic, Negation, Pack, Text
from pyebpf.dsl.typed_text import TextBegins, TextEnds, TextSame, TextUpTo
from pyebpf.dsl.types import BOOL, Chars, shown
from pyebpf.ir.nodes import CompareOp
from pyebpf.spec.types import Octets

if TYPE_CHECKING:
    import ast

    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope

#: What may change a variable while it is evaluated.
_MAY_ASSIGN = (typed.Bind, typed.Inlined, typed.Choice)


def is_text(expr: Expr) -> bool:
    """Tell whether something is text, constant or not."""
    return isinstance(expr, Text) or isinstance(expr.type, Chars)


def compare_text(op: CompareOp, left: Expr, right: Expr, scope: Scope, node: ast.AST) -> Expr:
    """Check a comparison of two texts, not both constant.

    Raises:
        Fault: it asks for an order.
    """
    if op not in (CompareOp.EQ, CompareOp.NE):
        raise scope.unsupported(node, "an order of texts", "compare with == or !=")
    span = scope.span(node)
    if isinstance(left, Text):
        left, right = right, left
    if isinstance(right, Text):
        same = _is_constant(left, right.value, span)
        return same if op is CompareOp.EQ else _opposite(same)
    if isinstance(right, _MAY_ASSIGN):
        left = scope.keep(left)[0]
    return TextSame(BOOL, span, op, left, right)


def _is_constant(text: Expr, wanted: str, span: Span) -> Expr:
    if isinstance(text, TextUpTo) and len(wanted) >= text.count:
        # No more characters than these are looked at, so the slice need not be made.
        if len(wanted) > text.count:
            return _decided(text.text, value=False, span=span)
        return _begins(text.text, wanted, span)
    if isinstance(text, TextUpTo):
        return _is_constant(text.text, wanted, span)
    assert isinstance(text.type, Chars)
    data = wanted.encode()
    size = text.type.length
    if b"\0" in data or len(data) > size:
        return _decided(text, value=False, span=span)
    return TextBegins(BOOL, span, text, data if len(data) == size else data + b"\0")


def _decided(text: Expr, *, value: bool, span: Span) -> Expr:
    # Nothing is lost with the text, unless its computing does something: an index may end it all.
    if has_effects(text):
        begins = TextBegins(BOOL, span, text, b"")
        return begins if value else Negation(BOOL, span, begins)
    return literal(value, span)


def _opposite(test: Expr) -> Expr:
    if isinstance(test, typed.Literal):
        return literal(not test.value, test.span)
    return Negation(BOOL, test.span, test)


def affix(text: Expr, name: str, node: ast.Call, scope: Scope) -> Expr:
    """Check ``text.startswith(…)`` and ``text.endswith(…)``, of a constant or a tuple of them.

    Raises:
        Fault: the argument is something else.
    """
    span = scope.span(node)
    if len(node.args) != 1 or node.keywords:
        raise Fault(WrongCall(span, name=name, why="takes one argument by position"))
    given = scope.expr(node.args[0])
    prefixes = given.items if isinstance(given, Pack) else (given,)
    found: Expr = literal(False, span)
    several = len(prefixes) > 1 and not isinstance(text, Text)
    value, again = scope.temporary(text) if several else (text, text)
    for prefix in prefixes:
        if not isinstance(prefix, Text):
            advice = "leave out the `b`" if isinstance(prefix.type, Octets) else ""
            raise Fault(Mismatch(prefix.span, "a constant text", shown(prefix.type), advice))
        check = _begins if name == "startswith" else _ends
        one = check(value, prefix.value, span)
        value = value if isinstance(one, typed.Literal) else again
        found = either(found, one, span)
    return found


def either(left: Expr, right: Expr, span: Span) -> Expr:
    """Return ``left or right`` of two truth values; what is known is decided now."""
    if isinstance(left, typed.Literal):
        return left if left.value else right
    if isinstance(right, typed.Literal) and not right.value:
        return left
    return Logic(BOOL, span, False, left, right)


def _begins(text: Expr, prefix: str, span: Span) -> Expr:
    if isinstance(text, Text):
        return literal(text.value.startswith(prefix), span)
    assert isinstance(text.type, Chars)
    data = prefix.encode()
    if b"\0" in data or len(data) > text.type.length:
        return _decided(text, value=False, span=span)
    return TextBegins(BOOL, span, text, data)


def _ends(text: Expr, suffix: str, span: Span) -> Expr:
    if isinstance(text, Text):
        return literal(text.value.endswith(suffix), span)
    assert isinstance(text.type, Chars)
    data = suffix.encode()
    if not data:
        return _decided(text, value=True, span=span)
    if b"\0" in data or len(data) > text.type.length:
        return _decided(text, value=False, span=span)
    return TextEnds(BOOL, span, text, data)
