"""Calls: helpers, verbs of maps, records, Python's own functions, and plain functions, expanded."""

from __future__ import annotations

import ast
from types import FunctionType
from typing import TYPE_CHECKING, Any

from pyebpf.abi.helpers import Helper as HelperRow
from pyebpf.dsl.annotations import data_type
from pyebpf.dsl.builtins import ScalarHelper
from pyebpf.dsl.check.aggregates import AggregateRef
from pyebpf.dsl.check.arrays import is_shared
from pyebpf.dsl.check.builtin import BUILTINS, SPECIALS
from pyebpf.dsl.check.contexts import Context
from pyebpf.dsl.check.convert import assign_to, to_data, to_int
from pyebpf.dsl.check.dicts import method as dict_method
from pyebpf.dsl.check.effects import has_effects, once
from pyebpf.dsl.check.helper_call import call_helper
from pyebpf.dsl.check.kfuncs import call_kfunc
from pyebpf.dsl.check.map_use import as_map
from pyebpf.dsl.check.maps import verb
from pyebpf.dsl.check.octets import is_octets, made, octets_affix
from pyebpf.dsl.check.reserve import is_text_place, read_text
from pyebpf.dsl.check.scope import Scope
from pyebpf.dsl.check.signature import annotated_type, match_arguments, width_or_none
from pyebpf.dsl.check.subprogram import call_subprogram
from pyebpf.dsl.check.text import affix, is_text
from pyebpf.dsl.check.timers import is_timer, timer_call
from pyebpf.dsl.check.trust import of_pointer
from pyebpf.dsl.check.tuple_results import TupleResult, widths_of
from pyebpf.dsl.check.unpacking import starred_items
from pyebpf.dsl.check.variables import variable_call
from pyebpf.dsl.collect import namespace
from pyebpf.dsl.faults import Fault, Mismatch, RecursionUsed, WrongCall
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.source import capture, defined
from pyebpf.dsl.symbols import KernelVariable, Kfunc
from pyebpf.dsl.typed import Assign, Evaluate, Expr, Helper, Inlined, MakeRecord, Object, Stmt
from pyebpf.dsl.types import NONE, Array, Int, NoneType, Place, Record, Static, Tuple, shown
from pyebpf.spec.types import Octets

if TYPE_CHECKING:
    from pyebpf.diag import Span


def call(node: ast.Call, scope: Scope) -> Expr:
    for keyword in node.keywords:
        if keyword.arg is None:
            raise scope.unsupported(keyword.value, "`**`", "name the arguments one by one")
    node = _without_stars(node, scope)
    method = _method(node, node.func, scope) if isinstance(node.func, ast.Attribute) else None
    return method or _call_object(_callee(node, scope), node, scope)


def _method(  # noqa: PLR0911 - one return for each kind of object
    node: ast.Call, func: ast.Attribute, scope: Scope
) -> Expr | None:
    """Check a call of what belongs to an object; None if it is a function of a module."""
    base = as_map(scope.expr(func.value))
    value = base.type.value if isinstance(base.type, Static) else None
    if isinstance(value, Context):
        return value.call(func.attr, node, scope.span(node), scope)
    if isinstance(value, dict):
        return dict_method(value, node, func.attr, scope)
    if isinstance(value, KernelVariable):
        return variable_call(value, node, scope)
    if func.attr in ("startswith", "endswith") and (is_text(base) or is_octets(base)):
        return (affix if is_text(base) else octets_affix)(base, func.attr, node, scope)
    if isinstance(value, (MapDecl, AggregateRef)):
        args = [scope.expr(arg) for arg in node.args]
        words = {word.arg or "": scope.expr(word.value) for word in node.keywords}
        return verb(value, func.attr, args, words, scope.span(node), scope)
    if is_timer(base):
        return timer_call(base, func.attr, node, scope)
    if not is_text_place(base):
        return None
    _no_keywords(node, func.attr, scope)
    args = [scope.expr(arg) for arg in node.args]
    return read_text(base, func.attr, args, scope.span(node))


def _without_stars(node: ast.Call, scope: Scope) -> ast.Call:
    """Write ``f(*pair)`` as ``f(pair[0], pair[1])``."""
    if not any(isinstance(arg, ast.Starred) for arg in node.args):
        return node
    args = [part for arg in node.args for part in starred_items(arg, scope)]
    return ast.copy_location(ast.Call(node.func, args, node.keywords), node)


def _callee(node: ast.Call, scope: Scope) -> Any:
    target = scope.expr(node.func)
    if not isinstance(target.type, Static):
        raise Fault(Mismatch(target.span, expected="a function", got=shown(target.type)))
    return target.type.value


def _call_object(  # noqa: PLR0911 - one return for each kind of callable
    value: Any, node: ast.Call, scope: Scope
) -> Expr:
    span = scope.span(node)
    mark = getattr(value, "__pyebpf_builtin__", None)
    if isinstance(mark, ScalarHelper):
        if node.args or node.keywords:
            raise Fault(WrongCall(span, name=value.__name__, why="takes no arguments"))
        return Helper(mark.type, span, mark.helper, mark.shift)
    if isinstance(mark, HelperRow):
        return call_helper(mark, node, scope)
    if isinstance(mark, str):
        return SPECIALS[mark](node, scope)
    record = getattr(value, "__pyebpf_record__", None)
    if isinstance(record, Record):
        return _make_record(record, node, scope)
    if _known_builtin(value):
        return BUILTINS[value](node, scope)
    if isinstance(value, Probe):
        why = "is a probe: the kernel calls it"
        raise Fault(WrongCall(span, name=value.name, why=why, advice="share a plain function"))
    if isinstance(value, Kfunc):
        return call_kfunc(value, node, scope)
    if isinstance(value, FunctionType):
        return expand(value, node, scope)
    kind = data_type(value)
    if isinstance(kind, Octets):
        return made(value, kind, node, scope)
    if isinstance(kind, Int):
        what = f"`{data_type(value)}(…)`"
        raise scope.unsupported(node, what, f"write `cast({data_type(value)}, …)`")
    name = getattr(value, "__name__", type(value).__name__)
    raise scope.unsupported(node, f"`{name}(…)`", "call helpers, maps and plain functions")


def _known_builtin(value: Any) -> bool:
    try:
        return value in BUILTINS
    except TypeError:  # not hashable
        return False


def _no_keywords(node: ast.Call, name: str, scope: Scope) -> None:
    if node.keywords:
        word = node.keywords[0]
        why, place = (
            f"takes no argument called `{word.arg}`",
            scope.word_span(f"{word.arg}", word.value),
        )
        raise Fault(WrongCall(place, name=name, why=why, advice="pass it by position"))


def _make_record(kind: Record, node: ast.Call, scope: Scope) -> Expr:
    if node.args:
        why, names = "takes its fields by name", ", ".join(f"{f.name}=…" for f in kind.fields[:2])
        advice = f"write {kind.name}({names})"
        raise Fault(WrongCall(scope.span(node), name=kind.name, why=why, advice=advice))
    items = []
    for keyword in node.keywords:
        field = kind.field(keyword.arg or "")
        if field is None:
            why = f"has no field `{keyword.arg}`"
            have = ", ".join(f.name for f in kind.fields)
            place = scope.word_span(f"{keyword.arg}", keyword.value)
            advice, origin = f"it has {have}", scope.declaration(kind.name)
            raise Fault(WrongCall(place, name=kind.name, why=why, advice=advice, origin=origin))
        items.append((field, to_data(scope.expr(keyword.value), field.type)))
    return MakeRecord(kind, scope.span(node), tuple(items))


def expand(function: FunctionType, node: ast.Call, scope: Scope) -> Expr:
    """Expand a plain function at the place of a call.

    Each call is checked with the types of its own arguments, so one function serves many types.
    """
    span = scope.span(node)
    if hasattr(function, "__pyebpf_noinline__"):
        matched = match_arguments(function, node, scope)
        given = [(name, value, annotated_type(function, name)) for name, value in matched]
        return call_subprogram(function, given, node, scope)
    if function in scope.stack:
        raise Fault(RecursionUsed(span, name=function.__name__, origin=defined(function)))
    source = capture(function)
    inner = Scope(
        scope.unit,
        scope.rules,
        source,
        namespace(function),
        stack=(*scope.stack, function),
        held=scope.held,
        path=f"{scope.path}/{span.line}:{span.column}:{function.__name__}",
    )
    body = _bind(function, node, scope, inner)
    inner.result = inner.variable("return")
    inner.result_width = width_or_none(function)
    inner.result_items = TupleResult(widths_of(annotated_type(function, "return")))
    body += inner.block(source.node.body)
    if inner.faulty:
        raise Fault
    return _result(function, body, inner, span)


def _result(function: FunctionType, body: list[Stmt], inner: Scope, span: Span) -> Expr:
    result = inner.result
    assert result is not None
    assert inner.result_items is not None
    if inner.result_items.shape is not None:
        return inner.result_items.value(body, inner, span)
    if result.type is None or isinstance(result.type, NoneType):
        return Inlined(NONE, span, body, None)
    if inner.flow.live:
        body.append(Assign(span, result, assign_to(result, Object(NONE, span))))
    out: Expr = Inlined(result.type, span, body, result)
    wanted = annotated_type(function, "return")
    return to_int(out, wanted) if isinstance(wanted, Int) and isinstance(out.type, Int) else out


def _bind(function: FunctionType, node: ast.Call, scope: Scope, inner: Scope) -> list[Stmt]:
    out: list[Stmt] = []
    for name, value in match_arguments(function, node, scope):
        wanted = annotated_type(function, name)
        if isinstance(value.type, (Static, Tuple, Place, NoneType)):
            before: list[Expr] = []
            computed = isinstance(value.type, Tuple) and has_effects(value)
            inner.arguments[name] = once(value, before, scope) if computed else value
            out += [Evaluate(item.span, item) for item in before]
            continue
        if isinstance(value.type, (Array, Record)) and is_shared(value):
            # As in Python, the function sees the caller's own, and may change it.
            if inner.is_assigned(name):
                advice = "give the new value another name"
                raise scope.unsupported(node, f"a new value for the parameter `{name}`", advice)
            inner.arguments[name] = value
            continue
        variable = inner.variable(name)
        if isinstance(wanted, Int):
            variable.fixed = wanted
        stored = assign_to(variable, value)
        present = stored.type == value.type
        inner.flow = inner.flow.assign(name, present=present, **of_pointer(value, scope))
        out.append(Assign(value.span, variable, stored))
    return out
