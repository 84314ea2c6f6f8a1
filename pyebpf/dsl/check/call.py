"""Calls: helpers, verbs of maps, records, Python's own functions, and plain functions, expanded."""

from __future__ import annotations

import ast
from types import FunctionType
from typing import TYPE_CHECKING, Any, get_args

from pyebpf.abi.helpers import Helper as HelperRow
from pyebpf.dsl.annotations import data_type
from pyebpf.dsl.builtins import ScalarHelper
from pyebpf.dsl.check.builtin import BUILTINS, SPECIALS
from pyebpf.dsl.check.convert import assign_to, to_data, to_int
from pyebpf.dsl.check.helper_call import call_helper
from pyebpf.dsl.check.kfuncs import call_kfunc
from pyebpf.dsl.check.maps import HistRef, verb
from pyebpf.dsl.check.name import of_object
from pyebpf.dsl.check.reserve import is_text_place, read_text
from pyebpf.dsl.check.scope import Scope
from pyebpf.dsl.check.text import is_text, starts_with
from pyebpf.dsl.check.variables import variable_call
from pyebpf.dsl.collect import namespace
from pyebpf.dsl.faults import Fault, Mismatch, RecursionUsed, WrongCall
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.source import capture
from pyebpf.dsl.symbols import KernelVariable, Kfunc
from pyebpf.dsl.typed import Assign, Expr, Helper, Inlined, MakeRecord, Object, Stmt
from pyebpf.dsl.types import NONE, Int, NoneType, Place, Record, Static, Tuple

if TYPE_CHECKING:
    from pyebpf.diag import Span


def call(node: ast.Call, scope: Scope) -> Expr:
    for part in (*node.args, *(k.value for k in node.keywords if k.arg is None)):
        if isinstance(part, ast.Starred) or part in [k.value for k in node.keywords if not k.arg]:
            raise scope.unsupported(part, "`*`", "name the values one by one")
    if isinstance(node.func, ast.Attribute):
        base = scope.expr(node.func.value)
        value = base.type.value if isinstance(base.type, Static) else None
        if isinstance(value, (MapDecl, HistRef)):
            _no_keywords(node, node.func.attr, scope)
            args = [scope.expr(arg) for arg in node.args]
            return verb(value, node.func.attr, args, scope.span(node), scope)
        if isinstance(value, KernelVariable):
            return variable_call(value, node, scope)
        if is_text(base) and node.func.attr == "startswith":
            return starts_with(base, node, scope)
        if is_text_place(base):
            _no_keywords(node, node.func.attr, scope)
            args = [scope.expr(arg) for arg in node.args]
            return read_text(base, node.func.attr, args, scope.span(node))
    return _call_object(_callee(node, scope), node, scope)


def _callee(node: ast.Call, scope: Scope) -> Any:
    target = scope.expr(node.func)
    if not isinstance(target.type, Static):
        raise Fault(Mismatch(target.span, expected="a function", got=str(target.type)))
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
    if isinstance(data_type(value), Int):
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
        why = f"takes no argument called `{node.keywords[0].arg}`"
        raise Fault(WrongCall(scope.span(node), name=name, why=why))


def _make_record(kind: Record, node: ast.Call, scope: Scope) -> Expr:
    if node.args:
        why = "takes its fields by name"
        raise Fault(WrongCall(scope.span(node), name=kind.name, why=why))
    items = []
    for keyword in node.keywords:
        field = kind.field(keyword.arg or "")
        if field is None:
            why = f"has no field `{keyword.arg}`"
            have = ", ".join(f.name for f in kind.fields)
            raise Fault(
                WrongCall(
                    scope.span(keyword.value), name=kind.name, why=why, advice=f"it has {have}"
                )
            )
        items.append((field, to_data(scope.expr(keyword.value), field.type)))
    return MakeRecord(kind, scope.span(node), tuple(items))


def expand(function: FunctionType, node: ast.Call, scope: Scope) -> Expr:
    """Expand a plain function at the place of a call.

    Each call is checked with the types of its own arguments, so one function serves many types.
    """
    span = scope.span(node)
    if function in scope.stack:
        raise Fault(RecursionUsed(span, name=function.__name__))
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
    inner.result_width = _width_or_none(function)
    body += inner.block(source.node.body)
    if inner.faulty:
        raise Fault
    return _result(function, body, inner, span)


def _result(function: FunctionType, body: list[Stmt], inner: Scope, span: Span) -> Expr:
    result = inner.result
    assert result is not None
    if result.type is None or isinstance(result.type, NoneType):
        return Inlined(NONE, span, body, None)
    if inner.flow.live:
        body.append(Assign(span, result, assign_to(result, Object(NONE, span))))
    out: Expr = Inlined(result.type, span, body, result)
    wanted = _annotation(function, "return")
    return to_int(out, wanted) if isinstance(wanted, Int) and isinstance(out.type, Int) else out


def _bind(function: FunctionType, node: ast.Call, scope: Scope, inner: Scope) -> list[Stmt]:
    out: list[Stmt] = []
    for name, value in _match(function, node, scope):
        wanted = _annotation(function, name)
        if isinstance(value.type, (Static, Tuple, Place, NoneType)):
            inner.arguments[name] = value
            continue
        variable = inner.variable(name)
        if isinstance(wanted, Int):
            variable.fixed = wanted
        stored = assign_to(variable, value)
        inner.flow = inner.flow.assign(name, present=stored.type == value.type)
        out.append(Assign(value.span, variable, stored))
    return out


def _match(function: FunctionType, node: ast.Call, scope: Scope) -> list[tuple[str, Expr]]:
    code = function.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    names = code.co_varnames[:count]
    span, name = scope.span(node), function.__name__
    if len(node.args) > code.co_argcount:
        why = f"takes {code.co_argcount} arguments, got {len(node.args)}"
        raise Fault(WrongCall(span, name=name, why=why))
    given = {n: scope.expr(arg) for n, arg in zip(names, node.args, strict=False)}
    by_name = names[code.co_posonlyargcount :]
    for keyword in node.keywords:
        if keyword.arg not in by_name or keyword.arg in given:
            why = f"takes no argument `{keyword.arg}` here"
            raise Fault(WrongCall(span, name=name, why=why))
        given[keyword.arg] = scope.expr(keyword.value)
    for missing, value in _defaults(function, names).items():
        given.setdefault(missing, of_object(value, node, scope))
    absent = [n for n in names if n not in given]
    if absent:
        raise Fault(WrongCall(span, name=name, why=f"misses the argument `{absent[0]}`"))
    return list(given.items())  # in the order of their evaluation


def _defaults(function: FunctionType, names: tuple[str, ...]) -> dict[str, Any]:
    values = function.__defaults__ or ()
    positional = names[: function.__code__.co_argcount]
    out = dict(zip(positional[len(positional) - len(values) :], values, strict=True))
    return {**out, **(function.__kwdefaults__ or {})}


def _annotation(function: FunctionType, name: str) -> Any:
    return data_type(_hint(function, name))


def _width_or_none(function: FunctionType) -> Int | None:
    """Return the width of a result that is declared as ``u16 | None``."""
    hint = _hint(function, "return")
    parts = [part for part in get_args(hint) if part is not type(None)]
    kind = data_type(parts[0]) if len(parts) == 1 and len(get_args(hint)) > 1 else None
    return kind if isinstance(kind, Int) else None


def _hint(function: FunctionType, name: str) -> Any:
    hint = function.__annotations__.get(name)
    if isinstance(hint, str):
        try:
            # The text is the user's own annotation, in the user's own module.
            hint = eval(hint, dict(namespace(function)))  # noqa: S307
        except Exception:  # noqa: BLE001 - an annotation for type checkers only
            return None
    return hint
