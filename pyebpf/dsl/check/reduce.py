"""`sum`, `any`, `all`, `min` and `max` over something that can be looped over.

A generator is written as the loop that Python would run: ``any(f(x) for x in xs if g(x))`` is a
loop over ``xs`` with an early end.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, TypeVar

from pyebpf.dsl.check.arith import holding
from pyebpf.dsl.check.convert import Ranged, choice, literal, need_number, to_int
from pyebpf.dsl.check.effects import following
from pyebpf.dsl.check.entries import entries_of
from pyebpf.dsl.check.iterate import items_of
from pyebpf.dsl.check.number import arithmetic, compare_numbers
from pyebpf.dsl.check.scope import FRESH, stored_names
from pyebpf.dsl.faults import Fault, WrongCall
from pyebpf.dsl.typed import Evaluate, Expr, Inlined
from pyebpf.ir.nodes import BinaryOp, CompareOp

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope

Node = TypeVar("Node", bound=ast.AST)


def over_items(name: str, node: ast.Call, scope: Scope) -> Expr:
    """Check ``name(iterable, …)``, the iterable a generator or anything that `for` takes."""
    iterable = node.args[0]
    if not isinstance(iterable, ast.GeneratorExp):
        written = _of_few(name, node, scope)
        if written is not None:
            return written
        iterable = _as_generator(iterable)
    return _Loop(name, node, iterable, scope).check()


def _of_few(name: str, node: ast.Call, scope: Scope) -> Expr | None:
    # Over a tuple: one expression.
    if name in ("any", "all") or entries_of(node.args[0], scope) is not None:
        return None
    items = items_of(node.args[0], scope)
    if items.fixed is None:
        return None
    found = _of_written(name, items.fixed, node, scope)
    return following([Evaluate(kept.span, kept) for kept in items.before], found)


def _of_written(name: str, items: tuple[Expr, ...], node: ast.Call, scope: Scope) -> Expr:
    span = scope.span(node)
    values = [need_number(item) for item in items]
    if name == "sum":
        total = _option(node, "start", 1, scope) or literal(0, span)
        for value in values:
            total = arithmetic(BinaryOp.ADD, total, value, span)
        return total
    if not values:
        default = _option(node, "default", None, scope)
        if default is None:
            raise Fault(WrongCall(span, name=name, why="of nothing has no value"))
        return default
    return extreme_of(name, values, span, scope)


def extreme_of(name: str, values: list[Expr], span: Span, scope: Scope) -> Expr:
    """Return the least or the greatest of some numbers; of equal ones, Python gives the first."""
    # The earlier value is written first: what it computes comes before what the later one does.
    order, of = (CompareOp.GT, min) if name == "min" else (CompareOp.LT, max)
    result = values[0]
    for value in values[1:]:
        kept, again = scope.temporary(result)
        new, new_again = scope.temporary(value)
        chosen = choice(compare_numbers(order, kept, new, span), new_again, again, span)
        known = [part.range for part in (kept, new) if part.range is not None]
        low, high = of(part[0] for part in known), of(part[1] for part in known)
        kind = holding((low, high), prefer_unsigned=low >= 0)
        # What is neither the least nor the greatest need not fit: `min` of any u64 and any i64.
        result = Ranged(kind, span, to_int(chosen, kind), (low, high)) if kind else chosen
    return result


def _option(node: ast.Call, word: str, place: int | None, scope: Scope) -> Expr | None:
    found = next((k.value for k in node.keywords if k.arg == word), None)
    if place is not None and len(node.args) > place:
        found = node.args[place]
    return need_number(scope.expr(found)) if found is not None else None


def _as_generator(iterable: ast.expr) -> ast.GeneratorExp:
    item = ast.copy_location(ast.Name("item", ast.Store()), iterable)
    load = ast.copy_location(ast.Name("item", ast.Load()), iterable)
    part = ast.comprehension(item, iterable, [], 0)
    return ast.copy_location(ast.GeneratorExp(load, [part]), iterable)


def _copy(node: Node, names: dict[str, str]) -> Node:
    """Return a copy in which some names are others."""
    fields = {
        field: [_copy(part, names) for part in value]
        if isinstance(value, list)
        else _copy(value, names)
        if isinstance(value, ast.AST)
        else value
        for field, value in vars(node).items()
    }
    if isinstance(node, ast.Name):
        fields["id"] = names.get(node.id, node.id)
    return type(node)(**fields)


class _Loop:
    """Writes the loop of a generator, with names that nobody else has, and checks it."""

    def __init__(
        self, name: str, node: ast.Call, generator: ast.GeneratorExp, scope: Scope
    ) -> None:
        self.name, self.node, self.scope = name, node, scope
        mark = f"{FRESH}{node.lineno}:{node.col_offset}"
        self.result, self.found = f"{name}{mark}", f"found{mark}"
        if any(part.is_async for part in generator.generators):
            raise scope.unsupported(generator, "`async`", "")
        names = stored_names([ast.Expr(part.target) for part in generator.generators])
        own = _copy(generator, {name: f"{name}{mark}" for name in names})
        own.generators[0].iter = generator.generators[0].iter  # it sees the names outside
        self.element, self.parts = own.elt, own.generators

    def check(self) -> Expr:
        scope, span = self.scope, self.scope.span(self.node)
        body = scope.block([*self._start(), self._nest()])
        if self.name in ("min", "max") and self._needs_item():
            test = ast.UnaryOp(ast.Not(), self._load(self.found))
            message = ast.Constant(f"{self.name}() of nothing")
            body += scope.block([self._at(ast.If(test, [self._raise(message)], []))])
        if scope.faulty:
            raise Fault
        variable = scope.variable(self.result)
        assert variable.type is not None
        return Inlined(variable.type, span, body, variable)

    def _needs_item(self) -> bool:
        return not any(k.arg == "default" for k in self.node.keywords)

    def _start(self) -> list[ast.stmt]:
        first: ast.expr
        if self.name in ("any", "all"):
            first = ast.Constant(self.name == "all")
        elif self.name == "sum":
            first = self._given("start", 1) or ast.Constant(0)
        else:
            first = self._given("default", None) or ast.Constant(0)
        start = [self._assign(self.result, first)]
        if self.name in ("min", "max"):
            start.append(self._assign(self.found, ast.Constant(False)))
        return start

    def _given(self, word: str, place: int | None) -> ast.expr | None:
        if place is not None and len(self.node.args) > place:
            return self.node.args[place]
        return next((k.value for k in self.node.keywords if k.arg == word), None)

    def _nest(self) -> ast.stmt:
        body = _STEPS[self.name](self)
        for number, part in reversed(list(enumerate(self.parts))):
            for test in reversed(part.ifs):
                body = [self._at(ast.If(test, body, []))]
            leave = self._leave() if number else []
            body = [self._at(ast.For(part.target, part.iter, [*body], [], lineno=0))]
            body += leave
        return self._at(ast.If(ast.Constant(True), body, []))

    def _leave(self) -> list[ast.stmt]:
        # `any` and `all` have found their answer in an inner loop.
        if self.name not in ("any", "all"):
            return []
        answer = self._load(self.result)
        test = answer if self.name == "any" else ast.UnaryOp(ast.Not(), answer)
        return [self._at(ast.If(test, [ast.Break()], []))]

    def _any(self) -> list[ast.stmt]:
        found = [self._assign(self.result, ast.Constant(True)), ast.Break()]
        return [ast.If(self.element, found, [])]

    def _all(self) -> list[ast.stmt]:
        found = [self._assign(self.result, ast.Constant(False)), ast.Break()]
        return [ast.If(self.element, [ast.Pass()], found)]

    def _sum(self) -> list[ast.stmt]:
        total = ast.BinOp(self._load(self.result), ast.Add(), self.element)
        return [self._assign(self.result, total)]

    def _extreme(self) -> list[ast.stmt]:
        item = f"item{self.result}"
        order = ast.Lt() if self.name == "min" else ast.Gt()
        better = ast.Compare(self._load(item), [order], [self._load(self.result)])
        first = ast.UnaryOp(ast.Not(), self._load(self.found))
        take = [
            self._assign(self.result, self._load(item)),
            self._assign(self.found, ast.Constant(True)),
        ]
        test = ast.BoolOp(ast.Or(), [first, better])
        return [self._assign(item, self.element), ast.If(test, take, [])]

    def _assign(self, name: str, value: ast.expr) -> ast.stmt:
        return ast.Assign([ast.Name(name, ast.Store())], value, lineno=0)

    def _load(self, name: str) -> ast.expr:
        return ast.Name(name, ast.Load())

    def _raise(self, message: ast.expr) -> ast.stmt:
        error = ast.Call(ast.Name("ValueError", ast.Load()), [message], [])
        return ast.Raise(error)

    def _at(self, node: ast.stmt) -> ast.stmt:
        for part in ast.walk(node):
            if not isinstance(part, (ast.expr, ast.stmt)):
                continue
            if not getattr(part, "end_lineno", None):
                ast.copy_location(part, self.node)
        return node


_STEPS: dict[str, Callable[[_Loop], list[ast.stmt]]] = {
    "any": _Loop._any,  # noqa: SLF001 - its own table
    "all": _Loop._all,  # noqa: SLF001
    "sum": _Loop._sum,  # noqa: SLF001
    "min": _Loop._extreme,  # noqa: SLF001
    "max": _Loop._extreme,  # noqa: SLF001
}
