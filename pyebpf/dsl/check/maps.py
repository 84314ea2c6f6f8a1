"""What a probe does with maps: each verb of a declaration, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed
from pyebpf.dsl.check.convert import need_number, need_value, to_data
from pyebpf.dsl.constants import value_of
from pyebpf.dsl.faults import Fault, Mismatch, MissingKey, NeedsFeature, WrongCall
from pyebpf.dsl.maps import Events, Hash, LinearHist, Log2Hist, MapDecl, Numbered
from pyebpf.dsl.typed import Effect, Expr, Literal, MapUse, Object, Stmt
from pyebpf.dsl.types import BOOL, NONE, Maybe, Pointer, Record, Space, Static, ValueType
from pyebpf.errors import PyebpfError
from pyebpf.ir.nodes import BinaryOp
from pyebpf.plain import Plain
from pyebpf.spec.types import Address, Bool, Int

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope


class HistRef(Plain):
    """``hist[key]``: one histogram of a keyed one."""

    decl: Log2Hist | LinearHist
    key: Expr


def use(decl: MapDecl, span: Span, scope: Scope) -> MapUse:
    """Return the map of a declaration, in this unit.

    Raises:
        Fault: its types do not make a map, or the target has no such maps.
    """
    try:
        made = scope.unit.use_map(decl, "map")
    except PyebpfError as err:
        raise Fault(WrongCall(span, name=type(decl).__name__, why=f"is wrong: {err}")) from None
    if made.spec.kind == "ringbuf" and not scope.unit.target.has("ringbuf"):
        raise Fault(
            NeedsFeature(
                span,
                what="a ring buffer (Events, print)",
                feature="ringbuf",
                since="5.8",
                advice="use a histogram or a hash",
            )
        )
    return made


def entry_type(made: MapUse) -> ValueType:
    """Return what a look-up gives: a number, or a pointer to the record in the map."""
    value = made.spec.value
    assert value is not None
    if isinstance(value, (Int, Bool, Address)):
        return value
    return Pointer(Space.MAP, value)


def key_of(made: MapUse, key: Expr) -> Expr:
    """Convert a key to the map's key type."""
    kind = made.spec.key
    assert kind is not None
    return to_data(need_value(key), kind, "a key")


def _lookup(made: MapUse, key: Expr, span: Span, *, remove: bool = False) -> Expr:
    entry = entry_type(made)
    assert isinstance(entry, (Int, Bool, Address, Pointer))
    return typed.MapGet(Maybe(entry), span, made, key_of(made, key), remove)


def read_entry(decl: MapDecl, key: Expr, span: Span, scope: Scope) -> Expr:
    """Check ``map[key]`` read: of an array, at a constant index."""
    made = use(decl, span, scope)
    name = made.spec.name
    if not isinstance(decl, Numbered):
        raise Fault(MissingKey(span, name=name))
    if not isinstance(key, Literal):
        raise Fault(MissingKey(span, name=name))
    _check_index(made, key)
    entry = entry_type(made)
    return typed.Unwrap(entry, span, _lookup(made, key, span))


def _check_index(made: MapUse, key: Expr) -> None:
    if isinstance(made.decl, Numbered) and isinstance(key, Literal):
        top = made.spec.max_entries
        if not 0 <= int(key.value) < top:
            raise Fault(
                Mismatch(key.span, expected=f"an index from 0 to {top - 1}", got=str(key.value))
            )


def contains(decl: MapDecl, key: Expr, span: Span, scope: Scope) -> Expr:
    """Check ``key in map``."""
    if not isinstance(decl, Hash):
        raise Fault(Mismatch(span, expected="a hash", got=type(decl).__name__))
    made = use(decl, span, scope)
    return typed.MapContains(BOOL, span, made, key_of(made, key))


def hist_of(decl: Log2Hist | LinearHist, key: Expr, span: Span, scope: Scope) -> Expr:
    """Check ``hist[key]``."""
    if decl.key is None:
        raise Fault(WrongCall(span, name="[]", why="needs a histogram declared with key=…"))
    made = use(decl, span, scope)
    return Object(Static(HistRef(decl, key_of(made, key))), span)


def set_entry(decl: MapDecl, key: Expr, value: Expr, span: Span, scope: Scope) -> Stmt:
    """Check ``map[key] = value``."""
    made = _writable(decl, span, scope)
    _check_index(made, key)
    kind = made.spec.value
    assert kind is not None
    return typed.MapSet(span, made, key_of(made, key), to_data(value, kind, "a value"))


def add_entry(
    decl: MapDecl, key: Expr, op: BinaryOp, value: Expr, span: Span, scope: Scope
) -> Stmt:
    """Check ``map[key] += value``."""
    made = _writable(decl, span, scope)
    _check_index(made, key)
    amount = added(made.spec.value, op, value, span)
    return typed.MapAdd(span, made, key_of(made, key), amount)


def added(kind: ValueType | None, op: BinaryOp, value: Expr, span: Span) -> Expr:
    """Return what an atomic ``+=`` or ``-=`` adds.

    Raises:
        Fault: the kernel has no atomic form of this.
    """
    if op not in (BinaryOp.ADD, BinaryOp.SUB):
        raise Fault(WrongCall(span, name=f"{op.value}=", why="has no atomic form", advice="use +="))
    if not isinstance(kind, Int) or kind.bits < 32:
        why = "needs a number of 32 or 64 bits"
        raise Fault(WrongCall(span, name="+=", why=why, advice="declare the value as u64"))
    number = to_data(value, kind)
    if op is BinaryOp.ADD:
        return number
    zero = Literal(kind, span, 0)
    return typed.Arith(kind, span, BinaryOp.SUB, zero, number, (kind.low, kind.high))


def delete_entry(decl: MapDecl, key: Expr, span: Span, scope: Scope) -> Stmt:
    """Check ``del map[key]``."""
    if not isinstance(decl, Hash):
        raise Fault(Mismatch(span, expected="a hash", got=type(decl).__name__))
    made = use(decl, span, scope)
    return typed.MapDelete(span, made, key_of(made, key))


def _writable(decl: MapDecl, span: Span, scope: Scope) -> MapUse:
    if not isinstance(decl, (Hash, Numbered)):
        raise Fault(Mismatch(span, expected="a hash or an array", got=type(decl).__name__))
    return use(decl, span, scope)


def _get(decl: Any, args: list[Expr], span: Span, scope: Scope) -> Expr:
    made = use(decl, span, scope)
    return _lookup(made, args[0], span)


def _pop(decl: Any, args: list[Expr], span: Span, scope: Scope) -> Expr:
    made = use(decl, span, scope)
    if isinstance(entry_type(made), Pointer):
        # The entry would be gone while the record is still read.
        why = "cannot remove a record and return it"
        advice = "read it with get(), then `del map[key]`"
        raise Fault(WrongCall(span, name="pop", why=why, advice=advice))
    return _lookup(made, args[0], span, remove=True)


def _setdefault(decl: Any, args: list[Expr], span: Span, scope: Scope) -> Expr:
    made = use(decl, span, scope)
    kind = made.spec.value
    assert kind is not None
    entry = entry_type(made)
    value = to_data(args[1], kind, "a value")
    if isinstance(entry, Pointer):
        maybe = Maybe(entry)  # the map may be full, and then there is no record to give
        return typed.MapSetdefault(maybe, span, made, key_of(made, args[0]), value)
    return typed.MapSetdefault(entry, span, made, key_of(made, args[0]), value)


def _add(decl: Any, args: list[Expr], span: Span, scope: Scope) -> Expr:
    ref = decl if isinstance(decl, HistRef) else None
    hist = ref.decl if ref else decl
    if ref is None and hist.key is not None:
        why = "needs the key"
        raise Fault(WrongCall(span, name="add", why=why, advice="write hist[key].add(value)"))
    made = use(hist, span, scope)
    totals = bool(value_of(hist.totals, scope.unit.options))
    number = need_number(args[0])
    add = typed.HistAdd(span, made, ref.key if ref else None, number, totals)
    return Effect(NONE, span, add)


def _emit(decl: Any, args: list[Expr], span: Span, scope: Scope) -> Expr:
    made = use(decl, span, scope)
    kind = made.spec.value
    assert isinstance(kind, Record)
    return Effect(NONE, span, typed.Emit(span, made, to_data(args[0], kind, "a record")))


#: Verb → declarations that have it, how many arguments it takes, how it is checked.
VERBS: dict[str, tuple[tuple[type, ...], int, Callable[[Any, list[Expr], Span, Scope], Expr]]] = {
    "get": ((Hash, Numbered), 1, _get),
    "pop": ((Hash,), 1, _pop),
    "setdefault": ((Hash,), 2, _setdefault),
    "add": ((Log2Hist, LinearHist, HistRef), 1, _add),
    "emit": ((Events,), 1, _emit),
}


def verb(value: Any, name: str, args: list[Expr], span: Span, scope: Scope) -> Expr:
    """Check ``declaration.name(args)``."""
    kinds, count, rule = VERBS.get(name, ((), 0, _get))
    if not isinstance(value, kinds):
        have = [v for v, (on, _, _) in VERBS.items() if isinstance(value, on)]
        shown = type(value).__name__
        why = f"is no method of {shown} in a probe"
        advice = f"it has {', '.join(have)}" if have else ""
        raise Fault(WrongCall(span, name=name, why=why, advice=advice))
    if len(args) != count:
        why = f"takes {count} argument{'s' * (count != 1)}, got {len(args)}"
        raise Fault(WrongCall(span, name=name, why=why))
    return rule(value, args, span, scope)
