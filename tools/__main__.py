"""List the tools with the first line of each one's docstring; imports none of them.

With arguments this is the program ``pyebpf``: ``python -m pyebpf.tools completion bash``.
"""

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


def main() -> int:
    """Print the list."""
    tools = listed()
    width = max(map(len, tools), default=0)
    for name, line in tools.items():
        print(f"{name:<{width}}  {line}")
    if not tools:
        print("no tools are installed", file=sys.stderr)
    return 0 if tools else 1


if __name__ == "__main__":
    given = sys.argv[1:]
    raise SystemExit(import_module("pyebpf.cli").main(given) if given else main())
