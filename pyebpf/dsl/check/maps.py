"""What a probe does with maps: each verb of a declaration, checked."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, NamedTuple

from pyebpf.abi.constants import BPF_F_RDONLY_PROG
from pyebpf.dsl import typed
from pyebpf.dsl.aggregates import Aggregate
from pyebpf.dsl.check.aggregates import AggregateRef, add
from pyebpf.dsl.check.convert import Ranged, choice, need_value, to_data
from pyebpf.dsl.check.events import discard, emit
from pyebpf.dsl.check.map_use import (
    as_declared,
    as_map,
    entry_type,
    inner_map,
    key_of,
    use,
)
from pyebpf.dsl.check.map_verbs import constant_truth, helper_verb
from pyebpf.dsl.check.shared import FETCHES, arguments, change, fetch, global_value, need_place
from pyebpf.dsl.check.tables import stack_id, tail_call
from pyebpf.dsl.events import Events
from pyebpf.dsl.faults import Fault, Mismatch, MissingKey, WrongCall
from pyebpf.dsl.map_of_maps import OfMaps
from pyebpf.dsl.maps import Hash, MapDecl, Numbered
from pyebpf.dsl.shared import Global
from pyebpf.dsl.stacks import StackTrace
from pyebpf.dsl.storage import Storage
from pyebpf.dsl.tail import TailCalls
from pyebpf.dsl.typed import Expr, Literal, MapUse, Stmt
from pyebpf.dsl.typed_maps import Element, GetOr, Obtain
from pyebpf.dsl.typed_shared import Entry
from pyebpf.dsl.types import BOOL, Maybe, NoneType, Pointer, Space, Static
from pyebpf.ir.nodes import BinaryOp
from pyebpf.spec.kernel_fields import kernel_fields
from pyebpf.spec.types import Address, Bool, Int

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope


#: Maps whose entries are found by a key, and may be missing.
_FOUND = (Hash, Storage)


def _lookup(made: MapUse, key: Expr, span: Span, scope: Scope, *, remove: bool = False) -> Expr:
    entry = entry_type(made)
    assert isinstance(entry, (Int, Bool, Address, Pointer))
    return typed.MapGet(Maybe(entry), span, made, key_of(made, key, scope), remove)


def read_entry(decl: MapDecl, key: Expr, span: Span, scope: Scope) -> Expr:
    """Check ``map[key]`` read, of an array."""
    made = _with_entries(decl, span, scope)
    if not isinstance(decl, Numbered):
        name = made.spec.name
        raise Fault(MissingKey(span, name=name, origin=scope.declaration(name)))
    kind = entry_type(made)
    # Older verifiers do not know that a constant index is there, and a record must not be null.
    if isinstance(key, Literal) and not isinstance(kind, Pointer):
        return typed.Unwrap(kind, span, _lookup(made, key, span, scope))
    return Element(kind, span, made, key_of(made, key, scope))


def contains(decl: MapDecl, key: Expr, span: Span, scope: Scope) -> Expr:
    """Check ``key in map``."""
    if "__contains__" in decl.verbs:
        return helper_verb(decl, "__contains__", [key], {}, span, scope)
    _need_keys(decl, span)
    made = use(decl, span, scope)
    return typed.MapContains(BOOL, span, made, key_of(made, key, scope))


def set_entry(decl: MapDecl, key: Expr, value: Expr, span: Span, scope: Scope) -> Stmt:
    """Check ``map[key] = value``."""
    made = _changed(_with_entries(decl, span, scope), span)
    kind = made.spec.value
    assert kind is not None
    stored = as_declared(made, "a value", value, kind, scope)
    return typed.MapSet(span, made, key_of(made, key, scope), stored)


def add_entry(
    decl: MapDecl, key: Expr, op: BinaryOp, value: Expr, span: Span, scope: Scope
) -> Stmt:
    """Check ``map[key] += value``."""
    return change(entry(decl, key, span, scope), op, value, span, scope)


def entry(decl: MapDecl, key: Expr, span: Span, scope: Scope) -> Expr:
    """Return ``map[key]`` as a place to change."""
    made = _changed(_with_entries(decl, span, scope), span)
    assert made.spec.value is not None
    return Entry(made.spec.value, span, made, key_of(made, key, scope))


def _fetch(name: str) -> Callable[[Any, list[Expr], Span, Scope], Expr]:
    def check(decl: Any, args: list[Expr], span: Span, scope: Scope) -> Expr:
        if isinstance(decl, Global):
            return fetch(name, global_value(decl, span, scope), args, span, scope)
        return fetch(name, entry(decl, args[0], span, scope), args[1:], span, scope)

    return check


def atomic_function(name: str, node: ast.Call, scope: Scope) -> Expr:
    """Check ``fetch_add(place, value)`` of any place."""
    span = scope.span(node)
    values = arguments(node, scope)
    target = node.args[0]
    if isinstance(target, ast.Subscript):
        base = as_map(scope.expr(target.value)).type
        if isinstance(base, Static) and isinstance(base.value, MapDecl):
            place = entry(base.value, scope.expr(target.slice), scope.span(target), scope)
            return fetch(name, place, values, span, scope)
    return fetch(name, need_place(scope.expr(target)), values, span, scope)


def delete_entry(decl: MapDecl, key: Expr, span: Span, scope: Scope) -> Stmt:
    """Check ``del map[key]``."""
    _need_keys(decl, span)
    made = _changed(use(decl, span, scope), span)
    return typed.MapDelete(span, made, key_of(made, key, scope))


def _need_keys(decl: MapDecl, span: Span) -> None:
    if not isinstance(decl, _FOUND):
        advice = "every index of an array is there" if isinstance(decl, Numbered) else ""
        raise Fault(Mismatch(span, expected="a hash", got=type(decl).__name__, advice=advice))


def _with_entries(decl: MapDecl, span: Span, scope: Scope) -> MapUse:
    if not isinstance(decl, (*_FOUND, Numbered)):
        raise Fault(Mismatch(span, expected="a hash or an array", got=type(decl).__name__))
    return use(decl, span, scope)


def _changed(made: MapUse, span: Span) -> MapUse:
    if made.spec.flags & BPF_F_RDONLY_PROG:
        why = "is declared with rdonly_prog: programs can only read it"
        raise Fault(WrongCall(span, name=made.spec.name, why=why))
    return made


def _get(decl: Any, args: list[Expr], span: Span, scope: Scope, create: Expr | None = None) -> Expr:
    made = use(decl, span, scope)
    if create is not None and constant_truth(create, "create"):
        if len(args) == WITH_DEFAULT:
            why = "takes a default or create=True, not both"
            raise Fault(WrongCall(span, name="get", why=why))
        kind = entry_type(made)
        assert isinstance(kind, (Int, Bool, Address, Pointer))
        return Obtain(Maybe(kind), span, _changed(made, span), key_of(made, args[0], scope))
    if len(args) == WITH_DEFAULT and not isinstance(args[1].type, NoneType):
        return _or_default(made, args, "get", span, scope)
    return _lookup(made, args[0], span, scope)


WITH_DEFAULT = 2
#: As many as its own check takes.
_COUNTED = 255


def _or_default(made: MapUse, args: list[Expr], name: str, span: Span, scope: Scope) -> Expr:
    kind = entry_type(made)
    if isinstance(kind, Pointer):
        return _record_or_default(made, args, name, span, scope)
    key = key_of(made, args[0], scope)
    # The type that holds both, as in `found if found is not None else default`.
    both = choice(Expr(BOOL, span), Expr(kind, span), need_value(args[1]), span)
    chosen = both.value if isinstance(both, Ranged) else both
    assert isinstance(chosen, typed.Choice)
    found = GetOr(both.type, span, made, key, chosen.other, name == "pop")
    return Ranged(both.type, span, found, both.range) if both.range is not None else found


def _record_or_default(made: MapUse, args: list[Expr], name: str, span: Span, scope: Scope) -> Expr:
    kind = made.spec.value
    assert kind is not None
    remove = name == "pop"
    _check_copyable(made, name, span)
    default = to_data(args[1], kind, "a default")
    space = Space.STACK if remove else Space.MAP
    return GetOr(Pointer(space, kind), span, made, key_of(made, args[0], scope), default, remove)


def _check_copyable(made: MapUse, name: str, span: Span) -> None:
    kept = kernel_fields(made.spec.value) if made.spec.value else ()
    if kept:
        why = f"cannot return a record with a `{kept[0]}`, which the kernel keeps in place"
        advice = "read it with get(key), test it, then `del map[key]`"
        raise Fault(WrongCall(span, name=name, why=why, advice=advice))


def _pop(decl: Any, args: list[Expr], span: Span, scope: Scope) -> Expr:
    made = use(decl, span, scope)
    if len(args) == WITH_DEFAULT and not isinstance(args[1].type, NoneType):
        return _or_default(made, args, "pop", span, scope)
    entry = entry_type(made)
    if not isinstance(entry, Pointer):
        return _lookup(made, args[0], span, scope, remove=True)
    _check_copyable(made, "pop", span)
    # The entry is gone while the record is still read, so what is returned is a copy.
    copy = Maybe(Pointer(Space.STACK, entry.to))
    return typed.MapGet(copy, span, made, key_of(made, args[0], scope), remove=True)


def _setdefault(decl: Any, args: list[Expr], span: Span, scope: Scope) -> Expr:
    made = use(decl, span, scope)
    kind = made.spec.value
    assert kind is not None
    value = to_data(args[1], kind, "a value")
    return typed.MapSetdefault(entry_type(made), span, made, key_of(made, args[0], scope), value)


def _stack(name: str) -> Callable[[Any, list[Expr], Span, Scope], Expr]:
    def check(decl: StackTrace, args: list[Expr], span: Span, scope: Scope) -> Expr:
        made = use(decl, span, scope)
        second = use(decl.second, span, scope) if decl.second is not None else None
        return stack_id(decl, (made, second), name, args, span)

    return check


def _call(decl: TailCalls, args: list[Expr], span: Span, scope: Scope) -> Expr:
    return tail_call(decl, use(decl, span, scope), args[0], span, scope)


class Verb(NamedTuple):
    """Declarations that have a verb, how many arguments it takes, how it is checked."""

    on: tuple[type, ...]
    least: int
    most: int
    check: Callable[..., Expr]
    #: What it takes by keyword, on some of them.
    words: tuple[str, ...] = ()


VERBS: dict[str, Verb] = {
    "get": Verb((*_FOUND, Numbered), 1, WITH_DEFAULT, _get, ("create",)),
    "pop": Verb(_FOUND, 1, WITH_DEFAULT, _pop),
    "setdefault": Verb(_FOUND, 2, 2, _setdefault),
    "add": Verb((Aggregate, AggregateRef), 0, _COUNTED, add),
    "emit": Verb((Events,), 1, 1, emit),
    "discard": Verb((Events,), 1, 1, discard),
    "kernel": Verb((StackTrace,), 0, 1, _stack("kernel")),
    "user": Verb((StackTrace,), 0, 1, _stack("user")),
    "call": Verb((TailCalls,), 1, 1, _call),
    **{
        name: Verb((*_FOUND, Numbered, Global), count + 1, count + 1, _fetch(name))
        for name, (_, count) in FETCHES.items()
    },
}


def verb(
    value: Any, name: str, args: list[Expr], words: dict[str, Expr], span: Span, scope: Scope
) -> Expr:
    """Check ``declaration.name(args, word=…)``."""
    if isinstance(value, OfMaps) and name == "get" and not words:
        return inner_map(value, args, span, scope)
    if isinstance(value, MapDecl) and name in value.verbs and not name.startswith("_"):
        return helper_verb(value, name, args, words, span, scope)
    row = VERBS.get(name)
    if row is None or not isinstance(value, row.on):
        have = [v for v, known in VERBS.items() if isinstance(value, known.on)]
        have += [v for v in getattr(value, "verbs", ()) if not v.startswith("_")]
        shown = type(value).__name__
        why = f"is no method of {shown} in a probe"
        advice = f"it has {', '.join(have)}" if have else ""
        raise Fault(WrongCall(span, name=name, why=why, advice=advice))
    unknown = [word for word in words if word not in row.words or not isinstance(value, Storage)]
    if unknown:
        why = f"takes no argument called `{unknown[0]}`"
        raise Fault(WrongCall(span, name=name, why=why))
    keys = int(isinstance(value, Global))  # it has no key
    least, most = row.least - keys, row.most - keys
    if not least <= len(args) <= most:
        count = str(least) if least == most else f"{least} or {most}"
        why = f"takes {count} argument{'s' * (count != '1')}, got {len(args)}"
        raise Fault(WrongCall(span, name=name, why=why))
    return row.check(value, args, span, scope, **words)
