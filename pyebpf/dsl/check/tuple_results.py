"""Tuples that an expanded function returns: one variable for each item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed
from pyebpf.dsl.check.convert import assign_to, need_value, pack
from pyebpf.dsl.faults import Fault, Mismatch
from pyebpf.dsl.typed import Assign, Evaluate, Expr, Inlined, Pack, Read, Return, Stmt, Variable
from pyebpf.dsl.typed_kernel import After
from pyebpf.dsl.types import NONE, shown
from pyebpf.spec.types import Int, Record

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.spec.types import DataType


def widths_of(kind: DataType | None) -> tuple[Int | None, ...]:
    """Return the widths of the numbers in an annotated tuple, flat; empty for anything else."""
    if not isinstance(kind, Record) or not kind.is_tuple:
        return ()
    out: list[Int | None] = []
    for field in kind.fields:
        inner = widths_of(field.type)
        out += inner or [field.type if isinstance(field.type, Int) else None]
    return tuple(out)


class TupleResult:
    """The result of one expansion, once a `return` has shown that it is a tuple.

    Attributes:
        shape: nested tuples, with None for each item that is a value; None until it is known.
    """

    def __init__(self, widths: tuple[Int | None, ...]) -> None:
        self.shape: Any = None
        self._widths = widths
        self._items: list[Variable] = []

    def returned(self, given: Expr, span: Span, scope: Scope) -> list[Stmt]:
        """Check `return` of a tuple, or of something else where a tuple was returned before.

        Raises:
            Fault: the function does not return a tuple of the same form everywhere.
        """
        shape = _shape(given)
        if self.shape is None:
            self.shape = shape
            self._items = [scope.variable(f"return[{n}]") for n in range(len(_leaves(given)))]
            for variable, width in zip(self._items, self._widths, strict=False):
                variable.fixed = width or variable.fixed
        alone = scope.result.type if scope.result is not None else None
        if shape != self.shape or shape is None or alone is not None:
            expected = "a tuple of the same form as at the first `return`"
            raise Fault(Mismatch(given.span, expected=expected, got=shown(given.type)))
        stored: list[Stmt] = [
            Assign(span, variable, assign_to(variable, need_value(item)))
            for variable, item in zip(self._items, _leaves(given), strict=True)
        ]
        return [*stored, Return(span, None)]

    def value(self, body: list[Stmt], inner: Scope, span: Span) -> Expr:
        """Return the tuple that an expansion gives.

        Raises:
            Fault: some way through the function returns nothing.
        """
        if inner.flow.live:
            raise Fault(Mismatch(span, expected="a tuple on every way out", got="None"))
        done = Evaluate(span, Inlined(NONE, span, body, None))
        reads: list[Expr] = []
        for variable in self._items:
            assert variable.type is not None
            reads.append(Read(variable.type, span, variable))
        reads[0] = After(reads[0].type, span, [done], reads[0])
        return _shaped(self.shape, iter(reads), span)


def _shape(value: Expr) -> Any:
    return tuple(map(_shape, value.items)) if isinstance(value, Pack) else None


def _leaves(value: Expr) -> list[Expr]:
    if not isinstance(value, Pack):
        return [value]
    return [leaf for item in value.items for leaf in _leaves(item)]


def _shaped(shape: Any, leaves: Any, span: Span) -> typed.Pack:
    parts = [next(leaves) if part is None else _shaped(part, leaves, span) for part in shape]
    return pack(parts, span)
