"""The program ``pyebpf``; without arguments it lists the tools, and imports none of them."""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path


def first_line(source: str) -> str:
    """Return the first line of a module's docstring, or an empty string."""
    doc = ast.get_docstring(ast.parse(source)) or ""
    return doc.partition("\n")[0]


def catalogue(folder: Path) -> dict[str, str]:
    """Map each tool in ``folder`` to what it says of itself."""
    return {
        path.stem: first_line(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("[!_]*.py"))
    }


def listed() -> dict[str, str]:
    """Map the tools here to what they say of themselves."""
    return catalogue(Path(__file__).resolve().parent)


if __name__ == "__main__":
    raise SystemExit(import_module("pyebpf.cli").main(sys.argv[1:] or ["tools"]))
