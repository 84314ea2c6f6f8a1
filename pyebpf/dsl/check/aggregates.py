"""What a probe does with aggregates: ``add``, and the part of a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.abi.constants import BPF_F_SLEEPABLE
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.dsl import typed
from pyebpf.dsl.aggregates import Aggregate
from pyebpf.dsl.check.convert import literal, need_number
from pyebpf.dsl.check.map_use import key_of, use
from pyebpf.dsl.check.shared import need_atomics
from pyebpf.dsl.constants import value_of
from pyebpf.dsl.faults import Fault, Mismatch, WrongCall
from pyebpf.dsl.typed import Effect, Expr, MapUse, Object
from pyebpf.dsl.types import NONE, Static, shown
from pyebpf.plain import Plain
from pyebpf.spec.aggregates import HistogramSpec, SummarySpec
from pyebpf.spec.types import I64, U64

if TYPE_CHECKING:
    from typing import Any

    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope


class AggregateRef(Plain):
    """``aggregate[key]``: what belongs to one key."""

    decl: Aggregate[Any]
    key: Expr


def of_key(decl: Aggregate[Any], key: Expr, span: Span, scope: Scope) -> Expr:
    """Check ``aggregate[key]``."""
    made = use(decl, span, scope)
    if decl.key_type() is None:
        name = type(decl).__name__
        why = f"needs keys, and `{made.spec.name}` has none"
        raise Fault(WrongCall(span, name="[]", why=why, advice=f"declare {name}[u32](…)"))
    return Object(Static(AggregateRef(decl, key_of(made, key, scope))), span)


def add(on: Any, args: list[Expr], span: Span, scope: Scope) -> Expr:
    """Check ``aggregate.add(value)``, ``aggregate[key].add(value)``, ``aggregate.add(key, …)``."""
    decl = on.decl if isinstance(on, AggregateRef) else on
    made = use(decl, span, scope)
    key = on.key if isinstance(on, AggregateRef) else None
    least, most = decl.values
    takes = f"{least} or {most}" if least != most else str(most or "no")
    noun = f"argument{'s' * (most > 1)}"
    if key is None and decl.key_type() is not None:
        if not args or len(args) <= least:
            advice = f"write {made.spec.name}[key].add({'value' * most})"
            raise Fault(WrongCall(span, name="add", why="needs the key", advice=advice))
        key, args = key_of(made, args[0], scope), args[1:]
        noun = f"value{'s' * (most > 1)} behind the key"
    if not least <= len(args) <= most:
        why = f"takes {takes} {noun}, got {len(args)}"
        raise Fault(WrongCall(span, name="add", why=why))
    number = need_number(args[0]) if args else literal(1, span) if most else None
    return Effect(NONE, span, _checked(made, key, number, span, scope))


def _checked(
    made: MapUse, key: Expr | None, number: Expr | None, span: Span, scope: Scope
) -> typed.Add:
    decl = made.decl
    shape = decl.aggregate()
    assert shape is not None
    totals = bool(value_of(getattr(decl, "totals", False), scope.unit.options))
    if not isinstance(shape, HistogramSpec) and number is not None:
        _check_sign(decl, number, signed=shape.signed)
    if isinstance(shape, SummarySpec) and shape.extremes and _may_sleep(scope):
        # It may move to another CPU meanwhile, and share its row with a program there.
        what = f"{type(decl).__name__} in a program that may sleep"
        need_atomics(what, span, scope, "use a program that does not sleep")
    return typed.Add(span, made, key, number, totals)


def _check_sign(decl: object, number: Expr, *, signed: bool) -> None:
    """Refuse values that the aggregate has no bits for."""
    name = type(decl).__name__
    held = I64 if signed else U64
    low, high = number.range or (held.low, held.high)
    if held.low <= low and high <= held.high:
        return
    got = shown(number.type)
    if signed:
        wanted, advice = "a number of 63 bits and a sign", "or write cast(i64, …)"
    else:
        wanted, advice = "a number that is not negative", "or write max(…, 0)"
    turn = f"declare {name}(signed={not signed}), {advice}"
    raise Fault(Mismatch(number.span, expected=f"{wanted}, for {name}", got=got, advice=turn))


def _may_sleep(scope: Scope) -> bool:
    return bool(PROGRAM_KINDS[scope.unit.hook_kind].flags & BPF_F_SLEEPABLE)
