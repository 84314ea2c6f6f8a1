"""Which lines of the probes ran."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from pyebpf.plain import Frozen

if TYPE_CHECKING:
    from pyebpf.diag import Source
    from pyebpf.ir.interp.code import Code


class FunctionCoverage(Frozen):
    """The lines of one function that became instructions.

    Attributes:
        name: of the function.
        source: the file, or the notebook cell.
        executed: lines that ran, in order.
        missed: lines that did not.
    """

    name: str
    source: Source
    executed: tuple[int, ...]
    missed: tuple[int, ...]

    def __str__(self) -> str:
        lines = sorted(self.executed + self.missed)
        share = f"{len(self.executed)} of {len(lines)} lines"
        out = [f"{self.name} ({self.source.name}): {share}"]
        width = len(str(lines[-1])) if lines else 0
        for line in lines:
            mark = " " if line in self.executed else "!"
            out.append(f"{mark} {line:>{width}} | {self.source.line(line)}")
        return "\n".join(out)


class Coverage(Frozen):
    """What ran, function by function. ``str()`` shows the source, with ``!`` at lines that did not.

    Lines are the first lines of statements. One that became no instruction, because a constant
    decided it, is not listed.
    """

    functions: tuple[FunctionCoverage, ...]

    def __getitem__(self, name: str) -> FunctionCoverage:
        """Return the coverage of a function by its name, or of a probe.

        Raises:
            KeyError: nothing of that name was compiled.
        """
        wanted = getattr(name, "name", None) or getattr(name, "__name__", None) or name
        for one in self.functions:
            if one.name == wanted:
                return one
        raise KeyError(wanted)

    @property
    def missed(self) -> int:
        """How many lines did not run."""
        return sum(len(one.missed) for one in self.functions)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.functions))


def covered(codes: Iterable[Code]) -> Coverage:
    """Return which lines of some code ran."""
    ran: dict[tuple[str, Source, int], bool] = {}
    for code in codes:
        for block, hits in zip(code.order, code.hits, strict=True):
            for instr in block.instrs:
                if instr.span is None:
                    continue
                place = _statements(instr.span.source).get(instr.span.line)
                if place is not None:
                    key = (place[0], instr.span.source, place[1])
                    ran[key] = ran.get(key, False) or hits > 0
    groups: dict[tuple[str, Source], list[tuple[int, bool]]] = {}
    for (name, source, line), did in sorted(ran.items(), key=lambda item: item[0][2]):
        groups.setdefault((name, source), []).append((line, did))
    return Coverage(tuple(_function(name, source, rows) for (name, source), rows in groups.items()))


def _function(name: str, source: Source, rows: list[tuple[int, bool]]) -> FunctionCoverage:
    executed = tuple(line for line, did in rows if did)
    return FunctionCoverage(name, source, executed, tuple(line for line, did in rows if not did))


@cache
def _statements(source: Source) -> dict[int, tuple[str, int]]:
    """Return, for each line in a function, the function and the first line of the statement."""
    found: dict[int, tuple[str, int]] = {}
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            _body(node.name, node, found)
    return found


def _body(name: str, node: ast.AST, found: dict[int, tuple[str, int]]) -> None:
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, field, None) or ():
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                continue
            first = getattr(child, "lineno", None) or getattr(child, "pattern", child).lineno
            last = getattr(child, "end_lineno", None) or first
            inner = getattr(child, "body", None)
            if inner:
                last = max(first, inner[0].lineno - 1)
            for line in range(first, last + 1):
                found.setdefault(line, (name, first))
            _body(name, child, found)
