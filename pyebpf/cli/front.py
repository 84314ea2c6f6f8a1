"""The program ``pyebpf``: runs commands and tools."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

from pyebpf.cli import output
from pyebpf.cli.commands import COMMANDS, summaries, usage
from pyebpf.cli.options import UsageError
from pyebpf.cli.output import OutputError
from pyebpf.cli.tool import CLOSED_PIPE, FAILED, INTERRUPTED, MISUSED, Tool
from pyebpf.errors import PyebpfError
from pyebpf.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOOLS = "pyebpf.tools"
_USAGE = """\
usage: pyebpf TOOL [arguments]
       pyebpf COMMAND [arguments]
       pyebpf --version
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program ``pyebpf`` and return its exit code, as :meth:`Tool.main` does."""
    given = list(sys.argv[1:] if argv is None else argv)
    first, rest = (given[0], given[1:]) if given else ("--help", [])
    output.tolerate_any_text()
    try:
        return _run(first, rest)
    except OutputError as err:
        if err.is_closed:
            return CLOSED_PIPE
        output.complain("pyebpf", str(err))
    except (PyebpfError, OSError) as err:
        output.complain("pyebpf", str(err))
    except KeyboardInterrupt:
        return INTERRUPTED
    return FAILED


def _run(first: str, rest: list[str]) -> int:
    if first in ("-h", "--help"):
        output.write(
            f"{_USAGE}\nA tool says more with --help, and so does a command:\n{summaries()}\n"
        )
        return 0
    if first == "--version":
        output.write(f"pyebpf {__version__}\n")
        return 0
    command = COMMANDS.get(first)
    if command is None:
        return _run_tool(first, rest)
    try:
        return command.run(rest)
    except UsageError as err:
        output.complain("pyebpf", f"{err}\n{usage(first)}\ntry pyebpf {first} --help")
        return MISUSED


def _run_tool(name: str, rest: list[str]) -> int:
    if not name.isidentifier() or name.startswith("_"):
        return _misused(f"{name!r} is neither a command nor a tool")
    module = f"{_TOOLS}.{name}"
    try:
        tool: Tool[object] = importlib.import_module(module).tool
    except ModuleNotFoundError as err:
        if err.name != module:
            raise
        return _misused(f"there is no tool {name!r}; `pyebpf tools` lists them")
    return tool.main(rest)


def _misused(text: str) -> int:
    output.complain("pyebpf", f"{text}\n{_USAGE}try pyebpf --help")
    return MISUSED
