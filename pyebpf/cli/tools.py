"""The command ``pyebpf tools``: which tools there are."""

from __future__ import annotations

import importlib
import textwrap
from typing import Any

from pyebpf.cli import output
from pyebpf.cli.commands import Arguments
from pyebpf.cli.options import UsageError
from pyebpf.errors import PyebpfError

_ABOUT = "List the tools, with what each says of itself."
_EXAMPLES = """
pyebpf tools
pyebpf tools | grep -i tcp
pyebpf biolatency --help    # what a tool says more
"""
ARGUMENTS = Arguments("tools", _ABOUT, (), _EXAMPLES)


def run(argv: list[str]) -> int:
    """Run the command and return its exit code.

    Raises:
        UsageError: the arguments make no sense.
        PyebpfError: no tools are installed.
    """
    given = ARGUMENTS.read(argv)
    if "h" in given:
        output.write(ARGUMENTS.help())
        return 0
    if given.words:
        raise UsageError(f"{given.words[0]!r} is one argument too many")
    catalogue: Any = importlib.import_module("pyebpf.tools.__main__")
    found: dict[str, str] = catalogue.listed()
    if not found:
        raise PyebpfError("no tools are installed")
    output.write(_text(found))
    return 0


def _text(found: dict[str, str]) -> str:
    """Return a line for each tool; at a terminal as many as it needs there."""
    indent = max(map(len, found)) + 2
    columns = output.columns()
    lines: list[str] = []
    for name, about in found.items():
        text = f"{name:<{indent}}{about}"
        space = " " * indent
        lines += textwrap.wrap(text, columns, subsequent_indent=space) if columns else [text]
    return "".join(f"{line}\n" for line in lines)
