"""Every kind of syntax node of this Python is compiled, is a part of one that is, or is refused."""

from __future__ import annotations

import ast
import sys

import pytest

from pyebpf import compile_probes
from pyebpf.diag import Source
from pyebpf.dsl.check.expr import EXPRESSIONS
from pyebpf.dsl.check.number import BINARY
from pyebpf.dsl.check.programs import RULES
from pyebpf.dsl.check.scope import Scope
from pyebpf.dsl.check.stmt import STATEMENTS
from pyebpf.dsl.collect import Collected
from pyebpf.dsl.faults import Fault, Unsupported
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.source import FunctionSource
from pyebpf.dsl.unit import UnitState
from pyebpf.errors import CompileError
from tests import frozen
from tests.kernel.running import cell

#: Bases of other nodes, and parts that stand only inside a statement or an expression.
PARTS = (
    ast.mod, ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop, ast.comprehension,
    ast.excepthandler, ast.arguments, ast.arg, ast.keyword, ast.alias, ast.withitem, ast.match_case,
    ast.pattern, ast.type_ignore, *((ast.type_param,) if hasattr(ast, "type_param") else ()),
)  # fmt: skip
#: Nodes that Python no longer makes (3.8), kept for old programs; gone in 3.14.
OLD = {"Num", "Str", "Bytes", "NameConstant", "Ellipsis", "Index", "ExtSlice", "slice", "Suite",
       "AugLoad", "AugStore", "Param"}  # fmt: skip


def leaves(base: type[ast.AST]) -> list[type[ast.AST]]:
    found = [cls for cls in vars(ast).values() if isinstance(cls, type) and issubclass(cls, base)]
    return [cls for cls in dict.fromkeys(found) if cls is not base and cls.__name__ not in OLD]


def scope() -> Scope:
    text = "def probe() -> None:\n    pass\n"
    (node,) = ast.parse(text).body
    assert isinstance(node, ast.FunctionDef)
    unit = UnitState(frozen.target(), {}, Collected())
    return Scope(unit, RULES, FunctionSource(Source("probe.py", text), node), {})


def bare(cls: type[ast.AST]) -> ast.AST:
    made = cls.__new__(cls)  # without its fields, which its __init__ demands since Python 3.15
    made.lineno = made.end_lineno = 2
    made.col_offset, made.end_col_offset = 4, 8
    return made


def test_every_node_is_an_expression_a_statement_or_a_part() -> None:
    known = set(leaves(ast.expr)) | set(leaves(ast.stmt)) | {ast.AST, ast.expr, ast.stmt}
    for part in PARTS:
        known |= {part, *leaves(part)}
    assert {cls.__name__ for cls in leaves(ast.AST) if cls not in known} == set()


@pytest.mark.parametrize("cls", leaves(ast.expr), ids=lambda cls: cls.__name__)
def test_an_expression_is_handled_or_refused(cls: type[ast.expr]) -> None:
    if cls in EXPRESSIONS:
        return
    with pytest.raises(Fault) as refusal:
        scope().expr(bare(cls))  # type: ignore[arg-type]
    assert isinstance(refusal.value.diagnostic, Unsupported)
    assert refusal.value.diagnostic.code == "E0201"


@pytest.mark.parametrize("cls", leaves(ast.stmt), ids=lambda cls: cls.__name__)
def test_a_statement_is_handled_or_refused(cls: type[ast.stmt]) -> None:
    if cls in STATEMENTS:
        return
    checked = scope()
    assert checked.block([bare(cls)]) == []  # type: ignore[list-item]
    (found,) = checked.unit.diagnostics.items
    assert isinstance(found, Unsupported)
    assert found.what


BINARY_TEXT = {
    "Add": "+", "Sub": "-", "Mult": "*", "MatMult": "@", "Div": "/", "Mod": "%", "Pow": "**",
    "LShift": "<<", "RShift": ">>", "BitOr": "|", "BitXor": "^", "BitAnd": "&", "FloorDiv": "//",
}  # fmt: skip
COMPARE_TEXT = {
    "Eq": "==", "NotEq": "!=", "Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">=", "Is": "is",
    "IsNot": "is not", "In": "in", "NotIn": "not in",
}  # fmt: skip
UNARY_TEXT = {"Invert": "~", "Not": "not ", "UAdd": "+", "USub": "-"}


def outcome(text: str) -> str:
    node = ast.parse(text, mode="eval").body
    try:
        return str(scope().expr(node).type)
    except Fault as fault:
        return "refused" if isinstance(fault.diagnostic, Unsupported) else repr(fault)


def test_every_operator_is_computed_or_refused() -> None:
    assert {cls.__name__ for cls in leaves(ast.operator)} == set(BINARY_TEXT)
    assert {cls.__name__ for cls in leaves(ast.cmpop)} == set(COMPARE_TEXT)
    assert {cls.__name__ for cls in leaves(ast.unaryop)} == set(UNARY_TEXT)
    assert {cls.__name__ for cls in leaves(ast.boolop)} == {"And", "Or"}
    refused = {name for name, text in BINARY_TEXT.items() if outcome(f"7 {text} 2") == "refused"}
    assert refused == {"MatMult", "Div"}
    assert {cls.__name__ for cls in BINARY} == set(BINARY_TEXT) - refused - {"Pow"}
    right = {"In": "(2, 3)", "NotIn": "(2, 3)"}
    compared = {
        name: outcome(f"7 {text} {right.get(name, 2)}") for name, text in COMPARE_TEXT.items()
    }
    assert {name for name, kind in compared.items() if kind == "refused"} == {"Is", "IsNot"}
    assert set(compared.values()) == {"refused", "bool"}
    assert "refused" not in {outcome(f"{text}7") for text in UNARY_TEXT.values()}


def chain(length: int) -> Probe:
    """Return a probe with so many branches in one chain of `elif`, each inside the one before."""
    lines = ["from pyebpf import *", '@raw_tracepoint("sys_enter")']
    lines += ["def probe(ctx: RawTracepointContext) -> i32:", "    n = ctx.args[0]"]
    lines += ["    if n == 0:", "        return 7"]
    for number in range(1, length):
        lines += [f"    elif n == {number}:", f"        return {number * number % 13}"]
    probe = cell("\n".join([*lines, "    return 5\n"])).probe
    assert isinstance(probe, Probe)
    return probe


def test_a_long_chain_of_branches_is_compiled() -> None:
    limit = sys.getrecursionlimit()
    assert compile_probes(chain(600), target=frozen.target()).object
    assert sys.getrecursionlimit() == limit


def test_nesting_too_deep_is_refused_at_its_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyebpf.dsl.compile._FRAMES", 1_000)
    with pytest.raises(CompileError, match="nesting this deep cannot be used") as refused:
        compile_probes(chain(600), target=frozen.target())
    (fault,) = refused.value.diagnostics
    assert fault.span is not None
    assert fault.span.line == 3
