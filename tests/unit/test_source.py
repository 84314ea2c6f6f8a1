"""From a function object to its text, with the columns that an editor shows."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyebpf.dsl.faults import Fault, NoSource, SourceChanged, Unsupported
from pyebpf.dsl.source import capture


@pytest.fixture(autouse=True)
def _lines() -> Iterator[None]:
    yield
    linecache.clearcache()


def define(tmp_path: Path, text: str, name: str = "probe") -> Any:
    path = tmp_path / "module.py"
    path.write_text(text, encoding="utf-8")
    names: dict[str, Any] = {"deco": lambda function: function}
    exec(compile(text, str(path), "exec"), names)
    return names[name]


def place(function: Any, kind: type[ast.AST]) -> tuple[int, int, int]:
    found = capture(function)
    node = next(n for n in ast.walk(found.node) if isinstance(n, kind))
    span = found.span(node)
    assert span.source.line(span.line) == span.text
    return span.line, span.column, span.end_column


def test_columns_count_characters(tmp_path: Path) -> None:
    text = "def probe():\n    größe = '日本', missing()\n"
    function = define(tmp_path, text)
    line, column, end = place(function, ast.Call)
    assert (line, text.splitlines()[1][column:end]) == (2, "missing()")


def test_tabs_and_decorators_and_nesting(tmp_path: Path) -> None:
    text = (
        "def outer():\n\tif 1:\n\t\t@deco\n\t\t@deco\n\t\tdef probe():\n\t\t\treturn f(1)\n"
        "\treturn probe\nprobe = outer()\n"
    )
    function = define(tmp_path, text)
    assert place(function, ast.Call) == (6, 10, 14)
    assert capture(function).name_span() == capture(function).name_span()
    span = capture(function).name_span()
    assert (span.line, span.text[span.column : span.end_column]) == (5, "probe")


def test_a_method_keeps_its_place(tmp_path: Path) -> None:
    function = define(tmp_path, "class C:\n  def probe():\n    f()\nprobe = C.probe\n")
    assert place(function, ast.Call) == (3, 4, 7)


def test_of_two_functions_of_one_name_the_right_one(tmp_path: Path) -> None:
    text = "def probe():\n    a()\nfirst = probe\ndef probe():\n    b()\n"
    assert place(define(tmp_path, text, "first"), ast.Call)[0] == 2
    assert place(define(tmp_path, text), ast.Call)[0] == 5


def test_a_cell_has_no_file(tmp_path: Path) -> None:
    text, name = "def probe():\n    f()\n", "<cell 9>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names: dict[str, Any] = {}
    exec(compile(text, name, "exec"), names)
    source = capture(names["probe"]).source
    assert (source.name, source.text, source.is_file) == (name, text, False)
    assert capture(define(tmp_path, text)).source.is_file


def fault(function: Callable[..., Any]) -> Any:
    with pytest.raises(Fault) as refusal:
        capture(function)
    return refusal.value.diagnostic


def test_a_function_without_text() -> None:
    names: dict[str, Any] = {}
    exec("def probe(): pass", names)
    assert fault(names["probe"]) == NoSource(None, name="probe", file="<string>")


def test_a_file_that_was_edited(tmp_path: Path) -> None:
    function = define(tmp_path, "def probe():\n    pass\n")
    (tmp_path / "module.py").write_text("x = 1\n\n\ndef probe():\n    pass\n")
    linecache.checkcache()
    found = fault(function)
    assert isinstance(found, SourceChanged)
    assert (found.span.line, found.span.text) == (1, "x = 1")


def test_a_file_that_became_nonsense(tmp_path: Path) -> None:
    function = define(tmp_path, "def probe():\n    pass\n")
    (tmp_path / "module.py").write_text("def probe(:\n")
    linecache.checkcache()
    assert isinstance(fault(function), SourceChanged)


@pytest.mark.parametrize("text", ["probe = lambda: 1\n", "async def probe(): pass\n"])
def test_what_is_no_plain_function(tmp_path: Path, text: str) -> None:
    assert isinstance(fault(define(tmp_path, text)), Unsupported)
