"""Names and constants: from what is written to what it means."""

from __future__ import annotations

import ast
import enum
from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed
from pyebpf.dsl.check.addresses import octets_constant
from pyebpf.dsl.check.convert import literal
from pyebpf.dsl.constants import ConstDecl, value_of
from pyebpf.dsl.faults import Fault
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.typed import Expr, Object, Read, Text
from pyebpf.dsl.types import NONE, Maybe, Static, Tuple

if TYPE_CHECKING:
    from pyebpf.dsl.check.scope import Scope


#: What to write instead of constants that have no counterpart.
_INSTEAD: dict[type, str] = {
    float: "the kernel has no floating point: scale to integers",
    complex: "the kernel has integers only",
    bytes: "bytes have a length of at least 1",
    type(...): "write `pass`",
}


def constant(node: ast.Constant, scope: Scope) -> Expr:
    return of_object(node.value, node, scope)


def of_object(value: Any, node: ast.AST, scope: Scope) -> Expr:
    """Return a compile-time object as an expression: a number if it is one."""
    span = scope.span(node)
    if isinstance(value, ConstDecl):
        value = value_of(value, scope.unit.options)
    if value is None:
        return Object(NONE, span)
    member = value
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, (bool, int)):
        found = literal(value, span)
        is_flag = isinstance(member, enum.Flag)
        return typed.FlagMember(found.type, span, value, member) if is_flag else found
    if isinstance(value, str):
        return Text(Static(value), span, value)
    if isinstance(value, tuple):
        items = tuple(of_object(item, node, scope) for item in value)
        return typed.Pack(Tuple(tuple(item.type for item in items)), span, items)
    constant_octets = octets_constant(value, span)
    if constant_octets is not None:
        return constant_octets
    if isinstance(value, (float, complex, bytes)) or value is Ellipsis:
        kind = "`...`" if value is Ellipsis else f"a {type(value).__name__} constant"
        advice = _INSTEAD.get(type(value), "")
        raise scope.unsupported(node, kind, advice)
    return Object(Static(value), span)


def name(node: ast.Name, scope: Scope) -> Expr:
    known = node.id in scope.tuples or getattr(scope.variables.get(node.id), "type", None)
    if node.id in scope.refused and not known:
        raise Fault
    if node.id in scope.named and node.id not in scope.flow.assigned:
        return _constant(node.id, node, scope)
    if node.id in scope.arguments and node.id not in scope.variables:
        return scope.arguments[node.id]
    if not scope.is_local(node.id):
        value = scope.outer(node.id, node)
        if isinstance(value, MapDecl):  # the name a map gets is the name it is first used by
            scope.unit.collected.name_map(value, node.id)
        return of_object(value, node, scope)
    return _local(node.id, node, scope)


def _constant(name: str, node: ast.Name, scope: Scope) -> Expr:
    found = scope.flow.constants.get(name)
    if found is None:
        what = f"`{name}` where it may stand for one constant or another, or for none"
        raise scope.unsupported(node, what, "use it where it is one, or keep a number of it")
    return found


def _local(name: str, node: ast.Name, scope: Scope) -> Expr:
    if name in scope.named and name not in scope.flow.assigned:
        return _constant(name, node, scope)
    scope.need_assigned(name, node)
    if name in scope.tuples:
        items = tuple(_local(f"{name}[{n}]", node, scope) for n in range(scope.tuples[name]))
        return typed.Pack(Tuple(tuple(item.type for item in items)), scope.span(node), items)
    variable = scope.variable(name)
    assert variable.type is not None
    read = Read(variable.type, scope.span(node), variable)
    if isinstance(variable.type, Maybe) and name in scope.flow.present:
        return typed.Unwrap(variable.type.inner, read.span, read)
    return read
