"""Places that others see: global variables, and atomic changes of globals, entries and fields."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.dsl import typed
from pyebpf.dsl.check.convert import to_data
from pyebpf.dsl.faults import Fault, Mismatch, WrongCall
from pyebpf.dsl.faults_kernel import NeedsFeature
from pyebpf.dsl.shared import Global
from pyebpf.dsl.typed import Expr, Literal, RecordField, Stmt
from pyebpf.dsl.typed_places import ElementOf
from pyebpf.dsl.typed_shared import Change, CompareExchange, FetchChange, GlobalValue, SetGlobal
from pyebpf.dsl.types import PRIVATE, Int, Pointer, Record, Space, Static, ValueType, shown
from pyebpf.errors import PyebpfError
from pyebpf.ir.nodes import BinaryOp, GlobalVariable, RmwOp

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope

#: Operators that have an atomic form. Subtraction adds the negative.
ATOMIC = {
    BinaryOp.ADD: RmwOp.ADD,
    BinaryOp.SUB: RmwOp.ADD,
    BinaryOp.AND: RmwOp.AND,
    BinaryOp.OR: RmwOp.OR,
    BinaryOp.XOR: RmwOp.XOR,
}
SIGNS = {
    BinaryOp.ADD: "+=",
    BinaryOp.SUB: "-=",
    BinaryOp.MUL: "*=",
    BinaryOp.FLOORDIV: "//=",
    BinaryOp.MOD: "%=",
    BinaryOp.AND: "&=",
    BinaryOp.OR: "|=",
    BinaryOp.XOR: "^=",
    BinaryOp.SHL: "<<=",
    BinaryOp.SHR: ">>=",
}


def global_of(expr: Expr) -> Global[object] | None:
    """Return the global variable that an expression names, or None."""
    value = expr.type.value if isinstance(expr.type, Static) else None
    return value if isinstance(value, Global) else None


def variable_of(decl: Global[object], span: Span, scope: Scope) -> GlobalVariable:
    """Return the variable of a declaration.

    Raises:
        Fault: it has no type, or the target has no such variables.
    """
    if scope.unit.target.lacks("global_data"):
        need = NeedsFeature(
            span, what="a Global", feature="global_data", since="5.2", advice="use an Array of one"
        )
        raise Fault(need)
    name = scope.unit.collected.name_map(decl, "shared")
    try:
        spec = decl.spec(name, scope.unit.target.cpus)
    except PyebpfError as err:
        why = f"is declared wrongly: {err}"
        raise Fault(WrongCall(span, name, why, origin=scope.declaration(name))) from None
    assert spec.value is not None
    assert spec.initial is not None
    return GlobalVariable(spec.name, spec.value, spec.initial)


def global_value(decl: Global[object], span: Span, scope: Scope) -> Expr:
    """Check ``total.value``."""
    variable = variable_of(decl, span, scope)
    kind: ValueType = variable.type
    if isinstance(kind, Record):
        kind = Pointer(Space.MAP, kind)
    return GlobalValue(kind, span, variable)


def set_global(decl: Global[object], value: Expr, span: Span, scope: Scope) -> Stmt:
    """Check ``total.value = value``."""
    variable = variable_of(decl, span, scope)
    return SetGlobal(span, variable, to_data(value, variable.type, "a value"))


def change(place: Expr, op: BinaryOp, value: Expr, span: Span, scope: Scope) -> Stmt:
    """Check ``place op= value``.

    Raises:
        Fault: the kernel has no atomic form of this.
    """
    sign = SIGNS[op]
    if op not in ATOMIC:
        have = ", ".join(SIGNS[one] for one in ATOMIC)
        raise Fault(
            WrongCall(span, name=sign, why="has no atomic form", advice=f"there are {have}")
        )
    kind = _counted(place.type, sign, span)
    if op not in (BinaryOp.ADD, BinaryOp.SUB) and not _is_own(place):
        need_atomics(f"an atomic `{sign}`", span, scope, "`+=` is atomic everywhere")
    number = to_data(value, kind)
    if op is BinaryOp.SUB:
        zero, known = Literal(kind, span, 0), (kind.low, kind.high)
        number = typed.Arith(kind, span, BinaryOp.SUB, zero, number, known)
    return Change(span, place, ATOMIC[op], number)


def has_atomic_form(place: Expr, op: BinaryOp, scope: Scope) -> bool:
    """Tell whether ``place op= value`` can be one step: of a number of 32 or 64 bits."""
    if isinstance(place, RecordField) and (place.field.bits or place.field.big):
        return False
    can = op in (BinaryOp.ADD, BinaryOp.SUB) or not scope.unit.target.lacks("atomics")
    return op in ATOMIC and can and isinstance(place.type, Int) and place.type.bits >= 32


def _is_own(place: Expr) -> bool:
    """Tell whether nobody else sees a place yet."""
    while isinstance(place, RecordField):
        place = place.base
    return isinstance(place.type, Pointer) and place.type.space in PRIVATE


def _counted(kind: ValueType, name: str, span: Span) -> Int:
    if not isinstance(kind, Int) or kind.bits < 32:
        why = "needs a number of 32 or 64 bits"
        raise Fault(WrongCall(span, name=name, why=why, advice="declare the value as u64"))
    return kind


def need_atomics(what: str, span: Span, scope: Scope, advice: str) -> None:
    """Raise :class:`Fault` where the target has no atomic operation but an addition."""
    if scope.unit.target.lacks("atomics"):
        raise Fault(NeedsFeature(span, what=what, feature="atomics", since="5.12", advice=advice))


#: Functions that change a place and give what was there → how many values they take.
FETCHES: dict[str, tuple[RmwOp | None, int]] = {
    "fetch_add": (RmwOp.ADD, 1),
    "fetch_and": (RmwOp.AND, 1),
    "fetch_or": (RmwOp.OR, 1),
    "fetch_xor": (RmwOp.XOR, 1),
    "exchange": (RmwOp.EXCHANGE, 1),
    "compare_exchange": (None, 2),
}


def fetch(name: str, place: Expr, values: list[Expr], span: Span, scope: Scope) -> Expr:
    """Check an atomic change whose result is used: ``fetch_add(place, 1)``."""
    op, count = FETCHES[name]
    if len(values) != count:
        why = f"takes {count} value{'s' * (count > 1)}, got {len(values)}"
        raise Fault(WrongCall(span, name=name, why=why))
    kind = _counted(place.type, name, span)
    if _is_own(place):
        why = "works on shared memory, not on a record that only this program sees"
        raise Fault(WrongCall(span, name=name, why=why))
    need_atomics(f"`{name}`", span, scope, "use `+=`, which gives no value")
    given = [to_data(value, kind) for value in values]
    if op is None:
        return CompareExchange(kind, span, place, given[0], given[1])
    return FetchChange(kind, span, place, op, given[0])


def is_place(expr: Expr) -> bool:
    """Tell whether an expression is memory that is shared."""
    while isinstance(expr, (RecordField, ElementOf)):
        if isinstance(expr.base.type, Pointer):
            return expr.base.type.space in (Space.MAP, Space.RING)
        expr = expr.base
    return isinstance(expr, GlobalValue)


def need_place(expr: Expr) -> Expr:
    """Refuse what is not shared memory."""
    if not is_place(expr):
        wanted = "a field of a map entry, a global's value or a map's element"
        raise Fault(Mismatch(expr.span, expected=wanted, got=shown(expr.type)))
    return expr


def arguments(node: ast.Call, scope: Scope) -> list[Expr]:
    """Return what an atomic function is called with, but for the place."""
    if node.keywords or not node.args:
        why = "takes a place and values, by position"
        name = ast.unparse(node.func)
        raise Fault(WrongCall(scope.span(node), name=name, why=why))
    return [scope.expr(arg) for arg in node.args[1:]]
