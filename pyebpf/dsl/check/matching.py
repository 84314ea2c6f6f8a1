"""`match`: a chain of tests on one subject, with names bound on the way."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed
from pyebpf.dsl.check.assign import store_name
from pyebpf.dsl.check.bits import field_value
from pyebpf.dsl.check.convert import literal
from pyebpf.dsl.check.expr import comparison
from pyebpf.dsl.check.loops import merged
from pyebpf.dsl.check.member import record_field_named, record_of
from pyebpf.dsl.check.narrow import Facts, condition
from pyebpf.dsl.faults import Fault, Mismatch
from pyebpf.dsl.typed import Assign, Expr, If, Inlined, IsNone, Literal, Logic, Pack, Stmt, Variable
from pyebpf.dsl.types import BOOL, Maybe, NoneType, Static, shown

if TYPE_CHECKING:
    from pyebpf.dsl.check.scope import Scope


def match_(node: ast.Match, scope: Scope) -> list[Stmt]:
    """Check `match subject:`."""
    subject = scope.expr(node.subject)
    before: list[Stmt] = []
    if not isinstance(subject, Pack) and not isinstance(subject.type, (Static, NoneType)):
        keep, subject = scope.keep(subject)
        before.append(typed.Evaluate(subject.span, keep))
    elif isinstance(subject, Pack):
        kept = [scope.temporary(item) for item in subject.items]
        before += [typed.Evaluate(keep.span, keep) for keep, _ in kept]
        subject = Pack(subject.type, subject.span, tuple(again for _, again in kept))
    return [*before, *_cases(node.cases, subject, scope)]


def _cases(cases: list[ast.match_case], subject: Expr, scope: Scope) -> list[Stmt]:
    if not cases:
        return []
    case, rest = cases[0], cases[1:]
    before = scope.flow
    test, binds = _pattern(case.pattern, subject, scope)
    test, facts, binds = _guarded(test, binds, case.guard, scope)
    if isinstance(test, Literal):
        if test.value:
            scope.flow = scope.flow.knowing(facts.if_true)
            return [*binds, *scope.block(case.body)]
        scope.flow = before
        return _cases(rest, _remaining(subject, case, scope), scope)
    scope.flow = scope.flow.knowing(facts.if_true)
    then = [*binds, *scope.block(case.body)]
    after = scope.flow
    scope.flow = before
    other = _cases(rest, _remaining(subject, case, scope), scope)
    scope.flow = merged([after, scope.flow])
    return [If(scope.span(case.pattern), test, then, other)]


def _remaining(subject: Expr, case: ast.match_case, scope: Scope) -> Expr:
    # After `case None:` the subject is a value.
    pattern = case.pattern
    is_none = isinstance(pattern, ast.MatchSingleton) and pattern.value is None
    if is_none and case.guard is None and isinstance(subject.type, Maybe):
        return typed.Unwrap(subject.type.inner, subject.span, subject)
    return subject


def _guarded(
    test: Expr, binds: list[Stmt], guard: ast.expr | None, scope: Scope
) -> tuple[Expr, Facts, list[Stmt]]:
    # The names are bound before the guard is looked at, and stay bound if it does not hold.
    if guard is None:
        return test, Facts(), binds
    holds, facts = condition(guard, scope)
    if binds:
        holds = _after(binds, holds)
    return both(test, holds), facts, []


def _after(binds: list[Stmt], value: Expr) -> Expr:
    result = Variable("", BOOL)
    body = [*binds, Assign(value.span, result, value)]
    return Inlined(BOOL, value.span, body, result)


def both(left: Expr, right: Expr) -> Expr:
    """Return ``left and right`` of two truth values."""
    if isinstance(left, Literal):
        return right if left.value else left
    if isinstance(right, Literal) and right.value:
        return left
    return Logic(BOOL, right.span, True, left, right)


def _pattern(node: ast.pattern, subject: Expr, scope: Scope) -> tuple[Expr, list[Stmt]]:
    rule = _PATTERNS.get(type(node))
    if rule is None:
        word = "`*` in a pattern" if isinstance(node, ast.MatchStar) else "a pattern with keys"
        raise scope.unsupported(node, word, "compare the parts one by one")
    found: tuple[Expr, list[Stmt]] = rule(node, subject, scope)
    return found


def _value(node: ast.MatchValue, subject: Expr, scope: Scope) -> tuple[Expr, list[Stmt]]:
    wanted = scope.expr(node.value)
    span = scope.span(node)
    if isinstance(subject.type, NoneType):
        return literal(False, span), []
    if isinstance(subject.type, Maybe):
        there = typed.Negation(BOOL, span, IsNone(BOOL, span, subject))
        inner = typed.Unwrap(subject.type.inner, span, subject)
        return both(there, comparison(ast.Eq(), inner, wanted, scope, node)), []
    if isinstance(subject, Pack):
        return literal(False, span), []
    return comparison(ast.Eq(), subject, wanted, scope, node), []


def _singleton(node: ast.MatchSingleton, subject: Expr, scope: Scope) -> tuple[Expr, list[Stmt]]:
    span = scope.span(node)
    if node.value is not None:
        advice = "compare numbers with 0 and 1"
        raise scope.unsupported(node, f"`case {node.value}`", advice)
    if isinstance(subject.type, NoneType):
        return literal(True, span), []
    if isinstance(subject.type, Maybe):
        return IsNone(BOOL, span, subject), []
    return literal(False, span), []


def _either(node: ast.MatchOr, subject: Expr, scope: Scope) -> tuple[Expr, list[Stmt]]:
    found: Expr = literal(False, scope.span(node))
    for part in node.patterns:
        test, binds = _pattern(part, subject, scope)
        if binds:  # Python demands the same names of each
            test = both(test, _after(binds, literal(True, scope.span(part))))
        if isinstance(found, Literal):
            found = found if found.value else test
        elif not (isinstance(test, Literal) and not test.value):
            found = Logic(BOOL, scope.span(node), False, found, test)
    return found, []


def _capture(node: ast.MatchAs, subject: Expr, scope: Scope) -> tuple[Expr, list[Stmt]]:
    test: Expr = literal(True, scope.span(node))
    binds: list[Stmt] = []
    if node.pattern is not None:
        test, binds = _pattern(node.pattern, subject, scope)
    if node.name is not None:
        target = ast.copy_location(ast.Name(node.name, ast.Store()), node)
        binds = [*binds, *store_name(node.name, subject, target, scope)]
    return test, binds


def _sequence(node: ast.MatchSequence, subject: Expr, scope: Scope) -> tuple[Expr, list[Stmt]]:
    if not isinstance(subject, Pack):
        raise Fault(Mismatch(scope.span(node), expected="a tuple", got=shown(subject.type)))
    for part in node.patterns:
        if isinstance(part, ast.MatchStar):
            return _pattern(part, subject, scope)
    if len(node.patterns) != len(subject.items):
        return literal(False, scope.span(node)), []
    return _parts(list(zip(node.patterns, subject.items, strict=True)), node, scope)


def _class(node: ast.MatchClass, subject: Expr, scope: Scope) -> tuple[Expr, list[Stmt]]:
    named = scope.expr(node.cls).type
    wanted = getattr(getattr(named, "value", None), "__pyebpf_record__", None)
    kind = record_of(subject)
    if wanted is None or kind is None:
        raise scope.unsupported(node, "this class pattern", "match records by their class")
    if kind != wanted:
        return literal(False, scope.span(node)), []
    if node.patterns:
        raise scope.unsupported(node.patterns[0], "a field by position", "name the field")
    parts = [
        (
            pattern,
            field_value(record_field_named(subject, kind, name, scope.word_span(name, pattern))),
        )
        for name, pattern in zip(node.kwd_attrs, node.kwd_patterns, strict=True)
    ]
    return _parts(parts, node, scope)


def _parts(
    parts: list[tuple[ast.pattern, Expr]],
    node: ast.pattern,
    scope: Scope,
) -> tuple[Expr, list[Stmt]]:
    found: Expr = literal(True, scope.span(node))
    out: list[Stmt] = []
    for pattern, item in parts:
        test, binds = _pattern(pattern, item, scope)
        found, out = both(found, test), [*out, *binds]
    return found, out


_PATTERNS: dict[type[ast.pattern], Any] = {
    ast.MatchValue: _value,
    ast.MatchSingleton: _singleton,
    ast.MatchOr: _either,
    ast.MatchAs: _capture,
    ast.MatchSequence: _sequence,
    ast.MatchClass: _class,
}
