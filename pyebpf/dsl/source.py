"""From a function to its syntax tree, with columns as they are in the user's file or cell.

The whole file is parsed and the function looked up in it by its first line, so that nothing has to
be shifted: nested functions, decorators and methods keep their true places.
"""

from __future__ import annotations

import ast
import linecache
from functools import lru_cache
from pathlib import Path
from typing import Any

from pyebpf.diag import Source, Span
from pyebpf.dsl.faults import Fault, NoSource, SourceChanged, Unsupported
from pyebpf.plain import Frozen


class FunctionSource(Frozen):
    """A function's syntax tree and the text it comes from."""

    source: Source
    node: ast.FunctionDef

    def span(self, node: ast.AST) -> Span:
        """Return where ``node`` stands, with columns in characters."""
        line, end = getattr(node, "lineno", 1), getattr(node, "end_lineno", None) or 1
        return Span(
            self.source,
            line,
            self._column(line, getattr(node, "col_offset", 0)),
            end,
            self._column(end, getattr(node, "end_col_offset", 0) or 0),
        )

    def name_span(self) -> Span:
        """Return where the function's name stands in its ``def`` line."""
        whole = self.span(self.node)
        start = whole.column + len("def ")
        return Span(self.source, whole.line, start, whole.line, start + len(self.node.name))

    def declaration(self, name: str) -> Span | None:
        """Return where the file assigns a name outside of functions; None if it does not."""
        found = _assignments(self.source.name, self.source.text).get(name)
        return self.span(found) if found is not None else None

    def _column(self, line: int, offset: int) -> int:
        # ast counts bytes of UTF-8; people and carets count characters.
        if self.source.text.isascii():
            return offset
        text = self.source.line(line)
        return offset if text.isascii() else len(text.encode()[:offset].decode(errors="ignore"))


def capture(function: Any) -> FunctionSource:
    """Return the source of a function.

    Raises:
        Fault: the text is not available, or is not what was compiled by Python.
    """
    code = function.__code__
    text = "".join(linecache.getlines(code.co_filename, function.__globals__))
    if not text:
        raise Fault(NoSource(None, name=function.__name__, file=code.co_filename))
    is_file = Path(code.co_filename).is_file()
    source = Source(code.co_filename, text, is_file)
    for what, used in (("`lambda`", code.co_name == "<lambda>"), ("`async`", code.co_flags & 0x80)):
        if used:  # 0x80: inspect.CO_COROUTINE
            span = _whole_line(source, _first_line(source, code.co_firstlineno))
            raise Fault(Unsupported(span, what=what, advice="write a plain `def`"))
    for node in _functions(code.co_filename, text):
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        if first == code.co_firstlineno and node.name == function.__name__:
            return FunctionSource(source, node)
    span = _whole_line(source, code.co_firstlineno)
    raise Fault(SourceChanged(span, name=function.__name__))


def defined(function: Any) -> Span | None:
    """Return where a function's name stands in its ``def`` line; None if its text is gone."""
    try:
        return capture(function).name_span()
    except Fault:
        return None


def _first_line(source: Source, line: int) -> int:
    """Return the first line from ``line`` on that is no decorator."""
    while source.line(line).lstrip().startswith("@"):
        line += 1
    return line


def _whole_line(source: Source, line: int) -> Span:
    return Span(source, line, 0, line, max(1, len(source.line(line))))


@lru_cache(maxsize=16)
def _functions(file: str, text: str) -> tuple[ast.FunctionDef, ...]:
    try:
        tree = ast.parse(text, file)
    except SyntaxError:
        return ()
    return tuple(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@lru_cache(maxsize=16)
def _assignments(file: str, text: str) -> dict[str, ast.AST]:
    """Return what a file assigns to names outside of functions: the whole statements."""
    found: dict[str, ast.AST] = {}
    try:
        tree = ast.parse(text, file)
    except SyntaxError:
        return found
    for node in ast.iter_child_nodes(tree):
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        for target in targets:
            if isinstance(target, ast.Name):
                found[target.id] = node
    return found
