"""No statement can be lost: for every node class of this Python's ``ast`` there is a program here.

Each program is compiled as a user's file is. It must either compile, and then it must matter: other
instructions than those of ``pass``; or be refused with the code of its row, at its own lines. A new
Python with a new class fails until the class has a row.
"""

from __future__ import annotations

import ast
import itertools
import linecache
import sys
import textwrap
from types import ModuleType
from typing import NamedTuple

import pytest

from pyebpf import compile_probes
from pyebpf.dsl.probes import Probe
from pyebpf.errors import CompileError
from tests import frozen

#: What a parser of expressions, of types or of the interactive prompt makes: no part of a file.
NO_FILE = {"Expression", "FunctionType", "Interactive"}
#: Bases: no tree has one itself.
BASES = {
    "AST", "mod", "stmt", "expr", "expr_context", "boolop", "operator", "unaryop", "cmpop",
    "excepthandler", "pattern", "type_ignore", "type_param",
}  # fmt: skip
#: What Python made before 3.9 and keeps for old programs.
OLD = {
    "Num", "Str", "Bytes", "NameConstant", "Ellipsis", "Index", "ExtSlice", "slice", "Suite",
    "AugLoad", "AugStore", "Param",
}  # fmt: skip


class Row(NamedTuple):
    """A body of a probe, and the code with which it is refused; none if it compiles."""

    body: str
    code: str = ""
    since: tuple[int, int] = (3, 10)


C, R = "", "E0201"
#: What Python itself refuses there.
X = "SyntaxError"
HEAD = """
from pyebpf import *

cells = Array[i64](max_entries=16)
counts = Hash[u32, u64](max_entries=16)

def twice(n: u64, /, times: u64 = 2, *, plus: u64 = 0) -> u64:
    return n * times + plus
"""
#: A program for each class; several where a class has several meanings.
ROWS: dict[str, tuple[Row, ...]] = {
    # statements
    "FunctionDef": (Row("def f() -> None: pass", R),),
    "AsyncFunctionDef": (Row("async def f() -> None: pass", R),),
    "ClassDef": (Row("class A: pass", R),),
    "Return": (Row("return"), Row("if cells[0]:\n    return\ncells[1] = 1")),
    "Delete": (Row("del counts[1]"), Row("n = 1\ndel n", R)),
    "Assign": (Row("cells[0] = 1"), Row("a = b = 2\ncells[a] = b")),
    "TypeAlias": (Row("type N = int", R, (3, 12)),),
    "AugAssign": (Row("cells[0] += 1"), Row("n = tgid()\nn -= 1\ncells[n] = 2")),
    "AnnAssign": (Row("n: u8 = tgid()\ncells[0] = n"), Row("n: u8\nn = 300\ncells[0] = n"),
                  Row("cells[0]: i64 = 2", R), Row("n: nothing = 2", R)),
    "For": (Row("for i in range(3):\n    cells[i] = 1"),),
    "AsyncFor": (Row("async for i in range(3): pass", R),),
    "While": (Row("n = 3\nwhile n:\n    n -= 1\ncells[0] = n"),),
    "If": (Row("if cells[0]:\n    cells[1] = 1\nelif cells[2]:\n    cells[3] = 1"),),
    "With": (Row("with cells: pass", R),),
    "AsyncWith": (Row("async with cells: pass", R),),
    "Match": (Row("match cells[0]:\n    case 1:\n        cells[1] = 2"),),
    "Raise": (Row("raise ValueError"), Row("raise ValueError from None", R)),
    "Try": (Row("try:\n    cells[0] = 1\nexcept ValueError:\n    pass", R),),
    "TryStar": (Row("try:\n    cells[0] = 1\nexcept* ValueError:\n    pass", R, (3, 11)),),
    "Assert": (Row("assert cells[0] > 1"), Row("assert tgid(), 'text'")),
    "Import": (Row("import os", R),),
    "ImportFrom": (Row("from os import path", R),),
    "Global": (Row("global n", R),),
    "Nonlocal": (Row("nonlocal n", X),),
    "Expr": (Row("tgid()\ncells[0] = 1"), Row("counts.pop(1)")),
    "Pass": (Row("pass"),),
    "Break": (Row("for i in range(9):\n    if cells[i]:\n        break\n    cells[i] = 1"),),
    "Continue": (Row("for i in range(9):\n    if cells[i]:\n        continue\n    cells[i] = 1"),),
    # expressions
    "BoolOp": (Row("cells[0] = cells[1] and cells[2] or 3"),),
    "NamedExpr": (Row("if (n := tgid()) > 3:\n    cells[0] = n"),),
    "BinOp": (Row("cells[0] = cells[1] + cells[2]"), Row("cells[0] = 'a' + 'b'", "E0301")),
    "UnaryOp": (Row("cells[0] = -cells[1]"),),
    "Lambda": (Row("f = lambda: 1", R),),
    "IfExp": (Row("cells[0] = 1 if cells[1] else 2"),),
    "Dict": (Row("d = {1: 2}", R),),
    "Set": (Row("d = {1, 2}", R),),
    "ListComp": (Row("d = [n for n in range(3)]", R),),
    "SetComp": (Row("d = {n for n in range(3)}", R),),
    "DictComp": (Row("d = {n: n for n in range(3)}", R),),
    "GeneratorExp": (Row("cells[0] = sum(n for n in range(3))"), Row("d = (n for n in (1, 2))", R)),
    "Await": (Row("await cells", R),),
    "Yield": (Row("yield 1", R),),
    "YieldFrom": (Row("yield from (1, 2)", R),),
    "Compare": (Row("cells[0] = 1 < cells[1] < 3"),),
    "Call": (Row("cells[0] = twice(3)"), Row("cells[0] = sorted((1, 2))", R)),
    "FormattedValue": (Row("print(f'{tgid():5}')"),),
    "Interpolation": (Row("print(t'{tgid()}')", R, (3, 14)),),
    "JoinedStr": (Row("print(f'n {tgid()}')"), Row("n = f'{tgid()}'", R)),
    "TemplateStr": (Row("print(t'n')", R, (3, 14)),),
    "Constant": (Row("cells[0] = 7"), Row("cells[0] = 1.5", R), Row("...", R)),
    "Attribute": (Row("cells[0] = current_task().pid"),),
    "Subscript": (Row("cells[0] = cells[1]"), Row("cells[0] = (4, 5)[1]")),
    "Starred": (Row("cells[0] = max(*(1, 2))"), Row("a, *b = 1, 2, 3", R)),
    "Name": (Row("n = tgid()\ncells[0] = n"), Row("cells[0] = nowhere", "E0101")),
    "List": (Row("n = [1, 2]"), Row("n = []", R)),
    "Tuple": (Row("a, b = 1, tgid()\ncells[a] = b"),),
    "Slice": (Row("n = cells[1:2]", R),),
    # parts
    "Load": (Row("cells[0] = cells[1]"),),
    "Store": (Row("cells[0] = 3"),),
    "Del": (Row("del counts[7]"),),
    "comprehension": (Row("cells[0] = any(n > 2 for n in range(3) if n != cells[1])"),),
    "ExceptHandler": (Row("try:\n    pass\nexcept OSError as e:\n    pass", R),),
    "arguments": (Row("cells[0] = twice(3, times=4)"), Row("cells[0] = twice(n=3)", "E0302")),
    "arg": (Row("cells[0] = twice(3)"),),
    "keyword": (Row("cells[0] = twice(3, plus=1)"), Row("cells[0] = twice(3, **{})", R)),
    "alias": (Row("import os as o", R),),
    "withitem": (Row("with cells as c: pass", R),),
    "match_case": (Row("match tgid():\n    case 1 if cells[0]:\n        cells[1] = 1"),),
    "MatchValue": (Row("match tgid():\n    case 3:\n        cells[1] = 1"),),
    "MatchSingleton": (Row("match counts.get(1):\n    case None:\n        cells[1] = 1"),),
    "MatchSequence": (Row("match (tgid(), tid()):\n    case (1, 2):\n        cells[1] = 1"),),
    "MatchMapping": (Row("match tgid():\n    case {1: 2}:\n        cells[1] = 1", R),),
    "MatchClass": (Row("match tgid():\n    case int():\n        cells[1] = 1", R),),
    "MatchStar": (Row("match (1, tgid()):\n    case (1, *rest):\n        cells[1] = 1", R),),
    "MatchAs": (Row("match tgid():\n    case n:\n        cells[1] = n"),),
    "MatchOr": (Row("match tgid():\n    case 3 | 4:\n        cells[1] = 1"),),
    "TypeVar": (Row("def f[T](n: T) -> None: pass", R, (3, 12)),),
    "ParamSpec": (Row("def f[**P]() -> None: pass", R, (3, 12)),),
    "TypeVarTuple": (Row("def f[*T]() -> None: pass", R, (3, 12)),),
    # operators
    "And": (Row("cells[0] = cells[1] and cells[2]"),),
    "Or": (Row("cells[0] = cells[1] or cells[2]"),),
    **{
        name: (Row(f"cells[0] = cells[1] {text} 3", R if text in ("/", "@") else C),)
        for name, text in {
            "Add": "+", "Sub": "-", "Mult": "*", "MatMult": "@", "Div": "/", "Mod": "%",
            "Pow": "**", "LShift": "<<", "RShift": ">>", "BitOr": "|", "BitXor": "^",
            "BitAnd": "&", "FloorDiv": "//", "Eq": "==", "NotEq": "!=", "Lt": "<", "LtE": "<=",
            "Gt": ">", "GtE": ">=", "In": "in (4, 5) or", "NotIn": "not in (4, 5) or",
        }.items()
    },
    "Is": (Row("if counts.get(1) is None:\n    cells[0] = 1"),
           Row("cells[0] = tgid() is tid()", R)),
    "IsNot": (Row("if counts.get(1) is not None:\n    cells[0] = 1"),),
    "Invert": (Row("cells[0] = ~cells[1]"),),
    "Not": (Row("cells[0] = not cells[1]"),),
    "UAdd": (Row("cells[0] = +cells[1]"),),
    "USub": (Row("cells[0] = -cells[1]"),),
    # the file itself
    "Module": (Row("pass"),),
    "TypeIgnore": (Row("pass  # type: ignore"),),
}  # fmt: skip
#: Nodes that a program may lose without being another: they do nothing in Python either.
NOTHING = {"Pass", "UAdd", "TypeIgnore", "Load", "Store", "Del", "Module"}
_numbers = itertools.count(1)


def classes() -> dict[str, type[ast.AST]]:
    """Every node class that this Python can put into the tree of a file."""
    found = {
        name: cls for name, cls in vars(ast).items()
        if isinstance(cls, type) and issubclass(cls, ast.AST)
    }  # fmt: skip
    return {
        name: cls
        for name, cls in found.items()
        if name[0] != "_" and name not in BASES | OLD | NO_FILE
    }


def rows() -> list[object]:
    return [
        pytest.param(name, row, id=f"{name}-{number}")
        for name, several in ROWS.items()
        for number, row in enumerate(several)
        if sys.version_info >= row.since
    ]


def text_of(body: str) -> str:
    kind = "async def" if "await" in body or "async for" in body or "async with" in body else "def"
    body = textwrap.indent(body, "    ")
    return f'{HEAD}\n@raw_tracepoint("sys_enter")\n{kind} probe() -> None:\n{body}\n'


def compiled(text: str) -> bytes:
    name = f"<node {next(_numbers)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    module = ModuleType(f"node_{next(_numbers)}")
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, name, "exec"), module.__dict__)
        (probe,) = (v for v in vars(module).values() if isinstance(v, Probe))
        return compile_probes(probe, target=frozen.target()).object
    finally:
        del sys.modules[module.__name__], linecache.cache[name]


def test_every_class_of_this_python_has_a_row() -> None:
    there = classes()
    assert set(there) - set(ROWS) == set()
    since = {name: min(row.since for row in several) for name, several in ROWS.items()}
    gone = {name for name in set(ROWS) - set(there) if sys.version_info >= since[name]}
    assert gone == set()


@pytest.mark.parametrize(("name", "row"), rows())
def test_the_row_has_the_node(name: str, row: Row) -> None:
    tree = ast.parse(text_of(row.body), type_comments=name == "TypeIgnore")
    (probe,) = (node for node in tree.body if getattr(node, "name", "") == "probe")
    where = tree if name in ("Module", "TypeIgnore", "arguments", "arg") else probe
    assert any(type(node).__name__ == name for node in ast.walk(where))


@pytest.mark.parametrize(("name", "row"), rows())
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_it_is_compiled_or_refused_with_its_code(name: str, row: Row) -> None:
    try:
        made = compiled(text_of(row.body))
    except SyntaxError:
        assert row.code == X
        return
    except CompileError as refusal:
        first = HEAD.count("\n") + 4
        codes = [item.code for item in refusal.diagnostics]
        assert row.code
        assert codes[0] == row.code
        lines = [item.span.line for item in refusal.diagnostics if item.span is not None]
        assert all(first - 2 <= line < first + row.body.count("\n") + 1 for line in lines), lines
        return
    assert not row.code, f"it is compiled, and its row says {row.code}"
    if name not in NOTHING:
        assert made != compiled(text_of("pass"))
