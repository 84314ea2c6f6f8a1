"""Records that go to user space: ``emit(…)``, ``reserve()`` and ``discard(…)`` of streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.abi.helpers import HELPERS
from pyebpf.dsl import typed
from pyebpf.dsl.check.convert import record_of, to_data
from pyebpf.dsl.check.map_use import use
from pyebpf.dsl.check.objects import need_helper
from pyebpf.dsl.events import PERF
from pyebpf.dsl.faults import Fault, Mismatch, WrongCall
from pyebpf.dsl.typed import Effect, Expr, Read
from pyebpf.dsl.types import NONE, Record, Static, shown
from pyebpf.spec.types import DataType

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.events import Events
    from pyebpf.dsl.typed import MapUse
    from pyebpf.spec.events import EventShape


def stream(decl: Events[Any], span: Span, scope: Scope) -> tuple[MapUse, EventShape]:
    """Return the map of a stream, and what its records are here.

    Raises:
        Fault: programs of this kind cannot send through it.
    """
    made = use(decl, span, scope)
    shape = decl.shape().replace(perf=made.spec.kind == PERF)
    if shape.perf:
        need_helper(HELPERS["perf_event_output"], "Events", span, scope)
    return made, shape


def emit(decl: Events[Any], args: list[Expr], span: Span, scope: Scope) -> Expr:
    """Check ``events.emit(record)``."""
    made, shape = stream(decl, span, scope)
    number = 0
    if shape.is_tagged:
        given = record_of(args[0].type)
        if given not in shape.kinds:
            expected, got = f"an event of type `{shape.name()}`", shown(args[0].type)
            raise Fault(Mismatch(args[0].span, expected=expected, got=got))
        number = shape.kinds.index(given)
    record = to_data(args[0], shape.kinds[number], "an event")
    return Effect(NONE, span, typed.Emit(span, made, shape, number, record))


def reserved(decl: Events[Any], given: Expr | None, span: Span, scope: Scope) -> typed.Reserve:
    """Check ``events.reserve(type)``; variable and body are still missing.

    Raises:
        Fault: it is not said which type, or the records are no records.
    """
    made, shape = stream(decl, span, scope)
    number = 0
    if given is not None:
        value = given.type.value if isinstance(given.type, Static) else None
        kind = getattr(value, "__pyebpf_record__", None)
        if kind not in shape.kinds:
            expected = f"a type of `{shape.name()}`"
            raise Fault(Mismatch(given.span, expected=expected, got=shown(given.type)))
        number = shape.kinds.index(kind)
    elif shape.is_tagged:
        why, advice = "needs the type", f"write reserve({shape.kinds[0]})"
        raise Fault(WrongCall(span, name="reserve", why=why, advice=advice))
    if not is_plain(shape.kinds[number]):
        why = f"builds a record, and here are {shape.kinds[number]}"
        raise Fault(WrongCall(span, name="reserve", why=why, advice="send them with emit()"))
    return typed.Reserve(span, made, shape, number, typed.Variable(""), [])


def is_plain(kind: DataType) -> bool:
    """Tell whether a type is a record with names."""
    return isinstance(kind, Record) and not kind.is_tuple


def discard(decl: Events[Any], args: list[Expr], span: Span, scope: Scope) -> Expr:
    """Check ``events.discard(record)``."""
    record = args[0]
    if not isinstance(record, Read) or not record.variable.reserved:
        expected = "the record that `with` reserved"
        raise Fault(Mismatch(record.span, expected=expected, got=shown(record.type)))
    record.variable.discarded = True
    return Effect(NONE, span, typed.Discard(span, record.variable))
