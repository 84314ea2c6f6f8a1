"""Functions marked `@noinline`: compiled once for the types they are called with, and called."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from pyebpf.dsl.check.convert import assign_to, to_bool, to_data, to_int
from pyebpf.dsl.check.scope import Scope
from pyebpf.dsl.check.signature import annotated_type
from pyebpf.dsl.collect import namespace
from pyebpf.dsl.faults import Fault, RecursionUsed, Unsupported
from pyebpf.dsl.source import capture, defined
from pyebpf.dsl.typed import (
    Assign,
    CallSubprogram,
    Expr,
    Literal,
    Object,
    Stmt,
    Subprogram,
    Variable,
)
from pyebpf.dsl.types import I64, NONE, U64, Address, Bool, Int, NoneType, Pointer, Static
from pyebpf.dsl.unit_names import numbered

if TYPE_CHECKING:
    import ast

    from pyebpf.dsl.types import ValueType

#: Arguments are passed in registers, r1 to r5. Two may be needed for the compiler's own.
MAX_ARGUMENTS = 5
_ADVICE = "it takes and gives numbers, truth values and pointers; without @noinline it is expanded"


def call_subprogram(
    function: FunctionType, given: list[tuple[str, Expr, Any]], node: ast.Call, scope: Scope
) -> Expr:
    """Check a call of a function that stays a function.

    Args:
        function: it.
        given: its parameters: name, argument, and the data type that the annotation means.
        node: the call.
        scope: where the call stands.
    """
    span = scope.span(node)
    if function in scope.stack:
        raise Fault(RecursionUsed(span, name=function.__name__, origin=defined(function)))
    arguments = [(name, _argument(value, wanted, scope)) for name, value, wanted in given]
    passed = [value for _, value in arguments if not _is_constant(value)]
    if len(passed) > MAX_ARGUMENTS:
        raise scope.unsupported(node, f"a call with {len(passed)} arguments", "at most 5")
    key = (function, scope.unit.hook_kind, *((n, _kind_of(value)) for n, value in arguments))
    made = scope.unit.subprograms.get(key)
    if made is None:
        made = _check(function, arguments, key, scope)
    if made.faulty:
        raise Fault
    return CallSubprogram(made.type, span, made, tuple(passed))


def _argument(value: Expr, wanted: Any, scope: Scope) -> Expr:
    if _is_constant(value) and wanted is None:
        return value
    if isinstance(wanted, (Int, Bool)):
        return to_data(value, wanted)
    if isinstance(value.type, Int):
        return to_int(value, I64 if value.type.signed else U64)
    if isinstance(value.type, Bool):
        return to_bool(value)
    if isinstance(value.type, (Pointer, Address)):
        return value
    raise Fault(Unsupported(value.span, what=f"a `{value.type}` as an argument", advice=_ADVICE))


def _is_constant(value: Expr) -> bool:
    return isinstance(value, Literal) or isinstance(value.type, (Static, NoneType))


def _kind_of(value: Expr) -> Any:
    return value.value if isinstance(value, Literal) else value.type


def _check(
    function: FunctionType, arguments: list[tuple[str, Expr]], key: Any, scope: Scope
) -> Subprogram:
    unit = scope.unit
    source = capture(function)
    name = numbered(function.__name__, (sub.name for sub in unit.subprograms.values()))
    made = Subprogram(name, source.name_span(), NONE, [], [])
    unit.subprograms[key] = made
    inner = Scope(
        unit,
        scope.rules,
        source,
        namespace(function),
        stack=(*scope.stack, function),
        path=f"@{name}",
    )
    start: list[Stmt] = []
    for parameter, value in arguments:
        if isinstance(value, Literal) and inner.is_assigned(parameter):
            start.append(_first_value(function, parameter, value, inner))
            continue
        if _is_constant(value):
            inner.arguments[parameter] = value
            continue
        variable = inner.variable(parameter)
        if isinstance(value.type, Int):
            variable.fixed, variable.range = value.type, (value.type.low, value.type.high)
        variable.type = value.type
        inner.flow = inner.flow.assign(parameter, present=True)
        made.parameters.append(variable)
    inner.result = inner.variable("return")
    wanted = annotated_type(function, "return")
    if isinstance(wanted, Int):
        inner.result.fixed = wanted
    made.body = [*start, *inner.block(source.node.body)]
    made.faulty = inner.faulty
    _settle_result(made, inner)
    return made


def _first_value(function: FunctionType, name: str, value: Literal, inner: Scope) -> Stmt:
    """Give a variable the constant that is passed for it: the function gives it others later."""
    variable = inner.variable(name)
    wanted = annotated_type(function, name)
    if isinstance(wanted, Int):
        variable.fixed = wanted
    inner.flow = inner.flow.assign(name, present=True)
    return Assign(value.span, variable, assign_to(variable, value))


def _settle_result(made: Subprogram, inner: Scope) -> None:
    result = inner.result
    assert result is not None
    if inner.flow.live and result.type not in (None, NONE) and not inner.faulty:
        span = made.span
        made.body.append(Assign(span, result, assign_to(result, Object(NONE, span))))
    made.result = _plain_result(result, made)
    made.type = NONE if made.result is None else result.type or NONE


def _plain_result(result: Variable, made: Subprogram) -> Variable | None:
    kind: ValueType | None = result.type
    if kind is None or isinstance(kind, NoneType) or made.faulty:
        return None
    if not isinstance(kind, (Int, Bool, Address)):
        raise Fault(Unsupported(made.span, what=f"a `{kind}` as a result", advice=_ADVICE))
    return result
