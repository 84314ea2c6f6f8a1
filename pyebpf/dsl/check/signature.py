"""Parameters of plain functions: which argument goes where, and what their annotations mean."""

from __future__ import annotations

import ast
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, get_args

from pyebpf.dsl.annotations import data_type
from pyebpf.dsl.check.name import of_object
from pyebpf.dsl.collect import namespace
from pyebpf.dsl.faults import Fault, WrongCall
from pyebpf.dsl.source import defined
from pyebpf.spec.types import Int

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.typed import Expr
    from pyebpf.spec.types import DataType


def annotated_type(function: Callable[..., Any], name: str) -> DataType | None:
    """Return the data type that a function's annotation means; None if it means none."""
    return data_type(_hint(function, name))


def width_or_none(function: FunctionType) -> Int | None:
    """Return the width of a result that is declared as ``u16 | None``."""
    hint = _hint(function, "return")
    parts = [part for part in get_args(hint) if part is not type(None)]
    kind = data_type(parts[0]) if len(parts) == 1 and len(get_args(hint)) > 1 else None
    return kind if isinstance(kind, Int) else None


def _hint(function: Callable[..., Any], name: str) -> Any:
    hint = function.__annotations__.get(name)
    if isinstance(hint, str):
        try:
            # The text is the user's own annotation, in the user's own module.
            hint = eval(hint, dict(namespace(function)))  # noqa: S307
        except Exception:  # noqa: BLE001 - an annotation for type checkers only
            return None
    return hint


def match_arguments(function: FunctionType, node: ast.Call, scope: Scope) -> list[tuple[str, Expr]]:
    """Return each parameter of a function with what a call passes for it, defaults included.

    Raises:
        Fault: the call passes too much, too little, or something twice.
    """
    code = function.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    names = code.co_varnames[:count]

    def wrong(why: str, span: Span) -> Fault:
        name, advice = function.__name__, f"it takes ({', '.join(names)})"
        return Fault(WrongCall(span, name, why, advice, defined(function)))

    if len(node.args) > code.co_argcount:
        most = f"{code.co_argcount} argument{'s' * (code.co_argcount != 1)}"
        raise wrong(f"takes {most}, got {len(node.args)}", scope.span(node))
    given = {n: scope.expr(arg) for n, arg in zip(names, node.args, strict=False)}
    by_name = names[code.co_posonlyargcount :]
    for keyword in node.keywords:
        word = f"{keyword.arg}"
        if word not in by_name or word in given:
            why = f"gets `{word}` twice" if word in given else f"takes no argument `{word}` by name"
            raise wrong(why, scope.word_span(word, keyword.value))
        given[word] = scope.expr(keyword.value)
    for missing, value in _defaults(function, names).items():
        given.setdefault(missing, of_object(value, node, scope))
    absent = [n for n in names if n not in given]
    if absent:
        raise wrong(f"misses the argument `{absent[0]}`", scope.span(node))
    return list(given.items())  # in the order of their evaluation


def _defaults(function: FunctionType, names: tuple[str, ...]) -> dict[str, Any]:
    values = function.__defaults__ or ()
    positional = names[: function.__code__.co_argcount]
    out = dict(zip(positional[len(positional) - len(values) :], values, strict=True))
    return {**out, **(function.__kwdefaults__ or {})}
