"""Records in local variables: a name of one is a copy here, and a reference in Python.

The difference shows only if one of two names is changed. So a variable whose record has a second
name cannot be changed, and one that is changed cannot be given a second name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.dsl import typed
from pyebpf.dsl.faults import Fault, Unsupported
from pyebpf.dsl.typed import Expr, RecordField, Variable
from pyebpf.dsl.typed_kernel import After
from pyebpf.dsl.types import Pointer, Record, Space

if TYPE_CHECKING:
    from pyebpf.diag import Span

_ADVICE = "make a new record of the fields"


def owners(expr: Expr) -> tuple[Variable, ...]:
    """Return the variables whose record, or part of it, is the value of an expression in Python."""
    if isinstance(expr.type, Pointer) or not isinstance(expr, _HOLDERS):
        return ()
    if isinstance(expr, (typed.Read, typed.Bind)):
        known = isinstance(expr.variable.type or expr.type, Record)
        own = (expr.variable,) if expr.variable.name else ()  # a kept value is no name
        return (*own, *expr.variable.owners) if known else ()
    if isinstance(expr, typed.Inlined):
        result = expr.result
        return (result,) if result is not None and result.shared else ()
    if isinstance(expr, typed.Choice):
        return (*owners(expr.then), *owners(expr.other))
    if isinstance(expr, typed.MakeRecord):
        parts = [value for _, value in expr.items if isinstance(value.type, Record)]
        return tuple(owner for part in parts for owner in owners(part))
    inner = expr.base if isinstance(expr, RecordField) else expr.value
    return owners(inner)


_HOLDERS = (
    typed.Read,
    typed.Bind,
    typed.Inlined,
    typed.Choice,
    typed.MakeRecord,
    RecordField,
    After,
)


def name_again(variable: Variable, value: Expr) -> None:
    """Note that a variable is one more name of what a value is.

    Raises:
        Fault: one of its names is changed.
    """
    found = owners(value) if isinstance(value.type, Record) else ()
    for one in (variable, *found) if found else ():
        _share(one, value.span)


def lend(parameter: Variable, value: Expr) -> None:
    """Note that a parameter is a name of what a value is, as long as its function runs."""
    if isinstance(value.type, Record):
        parameter.owners = owners(value)
        parameter.shared = bool(parameter.owners)


def give_back(result: Variable, value: Expr) -> None:
    """Note that a function gives a value: what it made itself has no other name afterwards."""
    if not isinstance(value.type, Record):
        return
    for one in owners(value):
        if one.shared:
            result.shared = True
            for owner in one.owners:
                _share(owner, value.span)


def _share(variable: Variable, span: Span) -> None:
    if variable.changed:
        what = f"a second name for the record in `{variable.name}`, which is changed,"
        raise Fault(Unsupported(span, what=what, advice=_ADVICE))
    variable.shared = True


def local_record(base: Expr) -> Variable | None:
    """Return the variable that a field's record is in; None if it is in no variable."""
    while isinstance(base, RecordField) and not isinstance(base.type, Pointer):
        base = base.base
    local = isinstance(base, typed.Read) and not isinstance(base.type, Pointer)
    return base.variable if local and isinstance(base, typed.Read) else None


def is_own(base: Expr) -> bool:
    """Tell whether nobody else sees the memory of a field: a variable's, or a reserved record's."""
    while isinstance(base, RecordField) and not isinstance(base.type, Pointer):
        base = base.base
    kind = base.type
    return local_record(base) is not None or (
        isinstance(kind, Pointer) and kind.space is Space.RING
    )


def change_local(variable: Variable, value: Expr, span: Span) -> None:
    """Note that a field of a variable's record is assigned.

    Raises:
        Fault: the record has another name, or would get a part that has one.
    """
    if variable.shared:
        what = f"a change of the record in `{variable.name}`, which has another name,"
        raise Fault(Unsupported(span, what=what, advice=_ADVICE))
    if isinstance(value.type, Record) and owners(value):
        what = "a second name for a record inside a record that is changed"
        raise Fault(Unsupported(value.span, what=what, advice=_ADVICE))
    variable.changed = True
