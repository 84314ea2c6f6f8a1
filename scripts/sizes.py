"""Lines per function and per file, against the budgets: ``make sizes``.

The hard caps are a test (``tests/unit/test_sizes.py``); the medians are a place to look.
"""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FUNCTION_CAP, FILE_CAP = 60, 600
FUNCTION_MEDIAN, FUNCTION_P90, FILE_P90 = 8, 30, 400
#: Tables: one row, one line, as many as the kernel has.
EXEMPT = "pyebpf/abi"


class Size(NamedTuple):
    """How many lines a function or a file has, and where it is."""

    lines: int
    where: str


def sources() -> list[Path]:
    """Return every file that the budgets speak of."""
    return sorted(path for top in ("pyebpf", "tools") for path in (ROOT / top).rglob("*.py"))


def functions(path: Path) -> list[Size]:
    """Measure each function of a file, from its ``def`` to its end, without its docstring."""
    name = path.relative_to(ROOT)
    return [
        Size(_lines(node), f"{name}:{node.lineno} {node.name}")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None:
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total


def file_size(path: Path) -> Size:
    """Measure a file."""
    lines = path.read_text(encoding="utf-8").count("\n")
    return Size(lines, str(path.relative_to(ROOT)))


def over_cap() -> list[Size]:
    """Return what no review should let pass."""
    counted = [path for path in sources() if not path.is_relative_to(ROOT / EXEMPT)]
    long_functions = [size for path in sources() for size in functions(path)]
    return [size for size in long_functions if size.lines > FUNCTION_CAP] + [
        size for size in map(file_size, counted) if size.lines > FILE_CAP
    ]


def report(what: str, sizes: list[Size], budget: str) -> str:
    """Summarise sizes in a line, and name the three largest."""
    ordered = sorted(sizes, reverse=True)
    p90 = ordered[len(ordered) // 10].lines
    head = f"{what}: {len(sizes)}, median {median(s.lines for s in sizes):g}, 90 % up to {p90}"
    largest = [f"  {size.lines:5d}  {size.where}" for size in ordered[:3]]
    return "\n".join([f"{head} (budget: {budget})", *largest])


def main() -> int:
    """Print the report; non-zero if something is over a cap."""
    files = sources()
    counted = [path for path in files if not path.is_relative_to(ROOT / EXEMPT)]
    budget = f"median {FUNCTION_MEDIAN}, 90 % {FUNCTION_P90}, none over {FUNCTION_CAP}"
    print(report("functions", [size for path in files for size in functions(path)], budget))
    budget = f"90 % {FILE_P90}, none over {FILE_CAP}"
    print(report("files", [file_size(path) for path in counted], budget))
    return int(bool(over_cap()))


if __name__ == "__main__":
    raise SystemExit(main())
