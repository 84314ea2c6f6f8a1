"""Parts of texts: slices, single characters, lengths. All count characters, as Python does."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.dsl.check.convert import literal
from pyebpf.dsl.faults import Fault, Mismatch, WrongCall
from pyebpf.dsl.typed import Expr, Literal, Text
from pyebpf.dsl.typed_text import TextFirst, TextFrom, TextLength, TextOrd, TextUpTo
from pyebpf.dsl.types import Chars, Static
from pyebpf.spec.types import Int

if TYPE_CHECKING:
    from pyebpf.dsl.check.scope import Scope

#: A character has at most this many bytes.
_WIDEST = 4
#: What is looked at character by character is written out, so it may not be long.
_MOST = 64
#: And what follows is copied from every place where it may begin.
_MOST_COPIED = 4_096

#: Enough for any length or character.
_NUMBER = Int(32)


def text_part(text: Expr, node: ast.Subscript, scope: Scope) -> Expr:
    """Check ``text[2]`` and ``text[1:5]``.

    Raises:
        Fault: a bound is not constant, or negative and the text is not constant.
    """
    if not isinstance(node.slice, ast.Slice):
        return _character(text, node, scope)
    span = scope.span(node)
    if node.slice.step is not None:
        raise scope.unsupported(node.slice.step, "a step of a slice")
    low, high = _bound(node.slice.lower, scope), _bound(node.slice.upper, scope)
    if isinstance(text, Text):
        value = text.value[low:high]
        return Text(Static(value), span, value)
    for part in (node.slice.lower, node.slice.upper):
        _check(part, text, scope)
    return _sliced(text, low or 0, high, node, scope)


def _sliced(text: Expr, low: int, high: int | None, node: ast.Subscript, scope: Scope) -> Expr:
    span = scope.span(node)
    if low:
        text = _after(text, low, node, scope)
    if high is None:
        return text
    assert isinstance(text.type, Chars)
    count = max(0, high - low)
    size = max(1, min(text.type.length, _WIDEST * count))
    if count >= text.type.length:
        return text
    if count > _MOST:
        raise scope.unsupported(node.slice, f"a slice of more than {_MOST} characters")
    return TextUpTo(Chars(size), span, text, count)


def _after(text: Expr, low: int, node: ast.Subscript, scope: Scope) -> Expr:
    assert isinstance(text.type, Chars)
    length = text.type.length
    starts = min(_WIDEST * low, length) - low + 1
    if low > _MOST or starts * length > _MOST_COPIED:
        raise scope.unsupported(node.slice, "a slice that begins so far behind the start")
    return TextFrom(Chars(max(1, length - low)), scope.span(node), text, low)


def _bound(node: ast.expr | None, scope: Scope) -> int | None:
    if node is None:
        return None
    bound = scope.expr(node)
    if not isinstance(bound, Literal):
        raise scope.unsupported(node, "a bound that is not constant")
    return int(bound.value)


def _check(node: ast.expr | None, text: Expr, scope: Scope) -> None:
    bound = _bound(node, scope)
    if node is not None and bound is not None and bound < 0:
        advice = "the end of a text is known when the probe runs: count from its start"
        raise scope.unsupported(node, f"a place before the end of {text.type}", advice)


def _character(text: Expr, node: ast.Subscript, scope: Scope) -> Expr:
    place = _bound(node.slice, scope)
    assert place is not None
    span = scope.span(node)
    if isinstance(text, Text):
        if not -len(text.value) <= place < len(text.value):
            expected = f"an index below {len(text.value)}"
            raise Fault(Mismatch(scope.span(node.slice), expected=expected, got=str(place)))
        return Text(Static(text.value[place]), span, text.value[place])
    _check(node.slice, text, scope)
    assert isinstance(text.type, Chars)
    if place >= text.type.length:
        expected = f"an index below {text.type.length}"
        raise Fault(Mismatch(scope.span(node.slice), expected=expected, got=str(place)))
    rest = _after(text, place, node, scope) if place else text
    return TextFirst(Chars(_WIDEST), span, rest)


def text_length(text: Expr, node: ast.Call, scope: Scope) -> Expr:
    """Check ``len(text)``."""
    return TextLength(_NUMBER, scope.span(node), text)


def text_ord(node: ast.Call, scope: Scope) -> Expr:
    """Check ``ord(text[0])``.

    Raises:
        Fault: the argument is not one character.
    """
    span = scope.span(node)
    if len(node.args) != 1 or node.keywords:
        raise Fault(WrongCall(span, name="ord", why="takes one argument by position"))
    given = scope.expr(node.args[0])
    if isinstance(given, Text) and len(given.value) == 1:
        return literal(ord(given.value), span)
    if isinstance(given, TextFirst):
        return TextOrd(_NUMBER, span, given.text)
    got = "text" if isinstance(given.type, Chars) else str(given.type)
    advice = "take the first one: `ord(text[0])`"
    raise Fault(Mismatch(given.span, expected="one character", got=got, advice=advice))
