"""Constant dicts of the module: tables that are written out where they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.dsl.check.arith import holding
from pyebpf.dsl.check.convert import (
    Ranged,
    as_type,
    literal,
    need_number,
    need_value,
    to_data,
    to_int,
)
from pyebpf.dsl.check.effects import after
from pyebpf.dsl.check.name import of_object
from pyebpf.dsl.check.number import compare_numbers
from pyebpf.dsl.check.text import compare_text, is_text
from pyebpf.dsl.faults import Fault, Mismatch, WrongCall
from pyebpf.dsl.typed import Abort, Choice, Expr, Inlined, Literal, Object, Pack, Text, Variable
from pyebpf.dsl.types import NONE, Bool, Chars, Maybe, NoneType, Static, is_number
from pyebpf.ir.nodes import CompareOp

if TYPE_CHECKING:
    import ast

    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.typed import Range

#: A table that is longer belongs into a map.
MAX_ENTRIES = 128


def dict_of(expr: Expr) -> dict[Any, Any] | None:
    """Return the dict that an expression names; None if it names none."""
    value = expr.type.value if isinstance(expr.type, Static) else None
    return value if isinstance(value, dict) else None


def keys_of(table: dict[Any, Any], node: ast.AST, scope: Scope) -> Expr:
    """Return the keys of a dict as a tuple.

    Raises:
        Fault: it is too long to be written out.
    """
    if len(table) > MAX_ENTRIES:
        advice = f"at most {MAX_ENTRIES} entries are written out: fill a Hash from outside"
        raise scope.unsupported(node, f"a dict of {len(table)} entries", advice)
    return of_object(tuple(table), node, scope)


def method(table: dict[Any, Any], node: ast.Call, name: str, scope: Scope) -> Expr:
    """Check ``table.keys()``, ``.values()``, ``.items()`` and ``.get(key, default)``."""
    span = scope.span(node)
    args = [scope.expr(arg) for arg in node.args]
    if name == "get" and 1 <= len(args) <= 2 and not node.keywords:
        return _get(table, args, node, scope)
    views = {"keys": tuple(table), "values": tuple(table.values()), "items": tuple(table.items())}
    if name not in views:
        advice = f"it has {', '.join((*views, 'get'))}"
        raise Fault(WrongCall(span, name=name, why="is no method of a dict here", advice=advice))
    if args or node.keywords:
        raise Fault(WrongCall(span, name=name, why="takes no arguments"))
    keys_of(table, node, scope)  # that it is not too long
    return of_object(views[name], node, scope)


def entry_of(table: dict[Any, Any], key: Expr, node: ast.expr, scope: Scope) -> Expr:
    """Check ``table[key]``; a key that is not there ends the program, as a KeyError would.

    Raises:
        Fault: a constant key is not there, or the values are of several kinds.
    """
    known = _constant(key)
    if known:
        if known[0] not in table:
            raise Fault(Mismatch(key.span, expected="a key of the dict", got=repr(known[0])))
        return of_object(table[known[0]], node, scope)
    values, known_range = _values(table, (), node, scope)
    kind, span = values[0].type, scope.span(node)
    missing = Inlined(kind, span, [Abort(span)], Variable("", kind))
    return _ranged(_chosen(table, values, key, missing, node, scope), known_range)


def _get(table: dict[Any, Any], args: list[Expr], node: ast.Call, scope: Scope) -> Expr:
    key, span = args[0], scope.span(node)
    default = args[1] if len(args) > 1 else Object(NONE, span)
    known = _constant(key)
    if known:
        return of_object(table[known[0]], node, scope) if known[0] in table else default
    if not isinstance(default.type, NoneType):
        (*values, default), known_range = _values(table, (need_value(default),), node, scope)
        return _ranged(_chosen(table, values, key, default, node, scope), known_range)
    values, _ = _values(table, (), node, scope)
    if not is_number(values[0].type):
        raise scope.unsupported(node, "a text that may be None", "give `get` a default")
    kind = Maybe(values[0].type)  # type: ignore[arg-type]
    maybe = [as_type(value, kind) for value in values]
    return _chosen(table, maybe, key, as_type(default, kind), node, scope)


def _constant(key: Expr) -> tuple[Any, ...]:
    """Return the value of a constant key in a tuple, which is empty if it is not constant."""
    if isinstance(key, (Literal, Text)):
        return (key.value,)
    if isinstance(key, Pack):
        parts = [_constant(item) for item in key.items]
        return (tuple(part[0] for part in parts),) if all(parts) else ()
    return ()


def _values(
    table: dict[Any, Any], more: tuple[Expr, ...], node: ast.expr, scope: Scope
) -> tuple[list[Expr], Range | None]:
    """Return the values of a dict, and more, as expressions of one type; and what they lie between.

    Raises:
        Fault: there is no such type.
    """
    keys_of(table, node, scope)  # that it is not too long
    found = [*(of_object(value, node, scope) for value in table.values()), *more]
    if table and all(is_text(value) for value in found):
        size = max(_size(value) for value in found)
        return [to_data(value, Chars(size)) for value in found], None
    if not table or not all(is_number(value.type) for value in found):
        advice = "by a variable, the values of a dict are all numbers, or all text"
        raise scope.unsupported(node, "a look-up by a variable in this dict", advice)
    if all(isinstance(value.type, Bool) for value in found):
        return found, None
    numbers = [need_number(value) for value in found]
    ends = [end for value in numbers for end in value.range or ()]
    kind = holding((min(ends), max(ends)), prefer_unsigned=min(ends) >= 0)
    if kind is None:
        raise scope.unsupported(node, "a dict with these numbers", "no 64-bit type holds them all")
    return [to_int(value, kind) for value in numbers], (min(ends), max(ends))


def _size(text: Expr) -> int:
    if isinstance(text, Text):
        return max(1, len(text.value.encode()))
    assert isinstance(text.type, Chars)
    return text.type.length


def _ranged(value: Expr, known: Range | None) -> Expr:
    return value if known is None else Ranged(value.type, value.span, value, known)


def _chosen(
    table: dict[Any, Any],
    values: list[Expr],
    key: Expr,
    otherwise: Expr,
    node: ast.expr,
    scope: Scope,
) -> Expr:
    span, result = scope.span(node), otherwise
    first, again = scope.temporary(need_value(key))
    pairs = list(zip(table, values, strict=True))
    for number, (name, value) in reversed([*enumerate(pairs)]):
        test = _same(again if number else first, of_object(name, node, scope), node, scope)
        if not isinstance(test, Literal):
            result = Choice(value.type, span, test, value, result)
        elif test.value:
            result = value
    return after(first, result)


def _same(key: Expr, name: Expr, node: ast.expr, scope: Scope) -> Expr:
    if is_text(key) and isinstance(name, Text):
        return compare_text(CompareOp.EQ, key, name, scope, node)
    if is_number(key.type) and is_number(name.type):
        return compare_numbers(CompareOp.EQ, need_number(key), need_number(name), scope.span(node))
    if is_text(key) or is_number(key.type):
        return literal(False, scope.span(node))
    raise scope.unsupported(node, f"a look-up by a `{key.type}`", "by numbers and text")
