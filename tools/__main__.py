"""List the tools with the first line of each one's docstring; imports none of them."""

from __future__ import annotations

import ast
import sys
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


def main() -> int:
    """Print the list."""
    tools = catalogue(Path(__file__).resolve().parent)
    width = max(map(len, tools), default=0)
    for name, line in tools.items():
        print(f"{name:<{width}}  {line}")
    if not tools:
        print("no tools are installed", file=sys.stderr)
    return 0 if tools else 1


if __name__ == "__main__":
    raise SystemExit(main())
