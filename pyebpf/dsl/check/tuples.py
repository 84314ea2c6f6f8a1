"""Tuples as wholes: chosen by a condition, and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.dsl.check.convert import choice, pack, tuple_in_memory
from pyebpf.dsl.check.effects import has_effects, once
from pyebpf.dsl.typed import Evaluate, Expr, Pack, Stmt

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope


def tuples_to_choose(then: Expr, other: Expr) -> tuple[Pack, Pack] | None:
    """Return two tuples to choose from item by item; None if both are in maps, or one is none."""
    if not isinstance(then, Pack) and not isinstance(other, Pack):
        return None
    one, two = _tuple(then), _tuple(other)
    alike = one is not None and two is not None and len(one.items) == len(two.items)
    return (one, two) if alike else None  # type: ignore[return-value]


def choose_items(test: tuple[Expr, Expr], then: Pack, other: Pack, span: Span) -> Expr:
    """Return ``then if test else other``, item by item.

    Args:
        test: the condition for the first item, which keeps it, and for the others, which read it.
        then: a tuple.
        other: a tuple with as many items.
        span: where this stands.
    """
    keep, again = test
    items: list[Expr] = []
    for left, right in zip(then.items, other.items, strict=True):
        both = isinstance(left, Pack) and isinstance(right, Pack)
        if both and len(left.items) == len(right.items):  # type: ignore[attr-defined]
            items.append(choose_items((keep, again), left, right, span))  # type: ignore[arg-type]
        else:
            items.append(choice(keep, left, right, span))
        keep = again
    return pack(items, span)


def tuples_to_compare(
    left: Expr, right: Expr, scope: Scope
) -> tuple[list[Stmt], Pack, Pack] | None:
    """Return two tuples, and what must be evaluated before their items are compared one by one.

    None if one of them is no tuple.
    """
    one, other = _tuple(left), _tuple(right)
    if one is None or other is None:
        return None
    if not any(has_effects(item) for item in (*one.items, *other.items)):
        return [], one, other
    before: list[Expr] = []
    kept, kept_other = once(one, before, scope), once(other, before, scope)
    assert isinstance(kept, Pack)
    assert isinstance(kept_other, Pack)
    return [Evaluate(item.span, item) for item in before], kept, kept_other


def _tuple(value: Expr) -> Pack | None:
    return value if isinstance(value, Pack) else tuple_in_memory(value)
