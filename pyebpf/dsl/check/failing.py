"""`assert` and `raise`: the exception is sent to user space, and the probe ends."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING

from pyebpf.dsl import typed
from pyebpf.dsl.check.narrow import condition, negate
from pyebpf.dsl.check.printing import failure_line
from pyebpf.dsl.faults import Fault, Mismatch
from pyebpf.dsl.typed import If, Literal, Stmt
from pyebpf.dsl.types import Static, shown

if TYPE_CHECKING:
    from pyebpf.dsl.check.scope import Scope


def assert_(node: ast.Assert, scope: Scope) -> list[Stmt]:
    """Check `assert condition, message`."""
    test, facts = condition(node.test, scope)
    before = scope.flow
    if isinstance(test, Literal) and test.value:
        return []
    scope.flow = before.knowing(facts.if_false)
    fail = _fail("AssertionError", [node.msg] if node.msg else [], node, scope)
    scope.flow = before.knowing(facts.if_true)
    if isinstance(test, Literal):
        scope.end_flow()
        return fail
    return [If(scope.span(node), negate(test), fail, [])]


def raise_(node: ast.Raise, scope: Scope) -> list[Stmt]:
    """Check `raise Error(message)`."""
    if node.cause is not None:
        raise scope.unsupported(node.cause, "`from`", "raise the exception alone")
    if node.exc is None:
        raise scope.unsupported(node, "`raise` alone", "name an exception")
    exception, args = node.exc, list[ast.expr]()
    if isinstance(exception, ast.Call) and not exception.keywords:
        args = exception.args
        exception = exception.func
    named = scope.expr(exception).type
    value = named.value if isinstance(named, Static) else None
    if not (isinstance(value, type) and issubclass(value, builtins.BaseException)):
        raise Fault(Mismatch(scope.span(exception), expected="an exception", got=shown(named)))
    fail = _fail(value.__name__, args, node, scope)
    scope.end_flow()
    return fail


def _fail(name: str, args: list[ast.expr], node: ast.stmt, scope: Scope) -> list[Stmt]:
    span = scope.span(node)
    return [failure_line(name, args, node, scope), typed.Abort(span)]
