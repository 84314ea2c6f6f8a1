"""Branches that only other kernels run: `else` of `if has_field(…)`, and the like.

The question is asked of the kernel that runs the program, so both branches are compiled. The target
answers yes, and what the other branch names may be what came before: then the target has no such
field, nothing can be made of the branch, and the answer is settled while compiling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pyebpf.dsl.faults import Fault, UnknownField, UnknownType
from pyebpf.dsl.typed import CoreQuestion, Expr, Negation
from pyebpf.dsl.typed_kernel import CoreAnswer
from pyebpf.spec.objects import CoreKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.diag import Diagnostic
    from pyebpf.dsl.check.scope import Scope

T = TypeVar("T")

_EXISTS = (CoreKind.FIELD_EXISTS, CoreKind.TYPE_EXISTS, CoreKind.ENUMVAL_EXISTS)


def answer_of(test: Expr) -> bool | None:
    """Return what the target answers to a condition; None if it is no question about it."""
    if isinstance(test, Negation):
        inner = answer_of(test.value)
        return None if inner is None else not inner
    asked = isinstance(test, (CoreQuestion, CoreAnswer)) and test.kind in _EXISTS
    return True if asked else None  # what the target lacks was answered before


def for_others(check: Callable[[], T], scope: Scope) -> T | None:
    """Check what the target's kernel never runs; None if it names what the target lacks."""
    items = scope.unit.diagnostics.items
    start, faulty, refused = len(items), scope.faulty, set(scope.refused)
    made, fault = None, None
    try:
        made = check()
    except Fault as found:
        fault = found
    new = items[start:]
    if fault is not None and fault.diagnostic is not None:
        new.append(fault.diagnostic)
    if any(map(_lacks, new)):  # and what else is wrong may be so only because of that
        del items[start:]
        scope.faulty, scope.refused = faulty, refused
        scope.unit.note_choice("what only other kernels have is left out")
        return None
    if fault is not None:
        raise fault
    return made


def _lacks(item: Diagnostic) -> bool:
    return isinstance(item, UnknownType) or (isinstance(item, UnknownField) and item.of_kernel)
