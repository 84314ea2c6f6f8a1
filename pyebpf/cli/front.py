"""The program ``pyebpf``: runs commands and tools."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

from pyebpf import program
from pyebpf.cli import output, watching
from pyebpf.cli.commands import COMMANDS, summaries, usage
from pyebpf.cli.options import UsageError
from pyebpf.cli.output import OutputError
from pyebpf.cli.tool import CLOSED_PIPE, FAILED, MISUSED, Tool
from pyebpf.errors import PyebpfError
from pyebpf.lazy import lazy
from pyebpf.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyebpf.btf import near
    from pyebpf.cli import helping
else:
    near, helping = lazy("pyebpf.btf.near"), lazy("pyebpf.cli.helping")  # few starts need them

_TOOLS = "pyebpf.tools"
_USAGE = """\
usage: pyebpf TOOL [arguments]
       pyebpf COMMAND [arguments]
       pyebpf --version
"""
_ABOUT = """
Runs tracing tools, and commands for programs of your own. Most need root, or
CAP_BPF and CAP_PERFMON. A tool says more with --help, and so does a command.

commands:
"""
_EXAMPLES = """
sudo pyebpf doctor            # what works on this machine
pyebpf tools                  # which tools there are
sudo pyebpf biolatency 5      # one of them: block I/O, every 5 seconds
pyebpf list 'tcp_*'           # hooks for a program of your own
sudo pyebpf run program.py    # its probes at work
"""
_FLAGS = ("--help", "--version")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program ``pyebpf`` and return its exit code, as :meth:`Tool.main` does."""
    given = list(sys.argv[1:] if argv is None else argv)
    first, rest = (given[0], given[1:]) if given else ("--help", [])
    output.tolerate_any_text()
    try:
        program.ready()
        with watching.at_terminal():
            return _run(first, rest)
    except OutputError as err:
        if err.is_closed:
            return CLOSED_PIPE
        output.complain("pyebpf", str(err))
    except (PyebpfError, OSError) as err:
        output.complain("pyebpf", output.reason(err))
    except KeyboardInterrupt:
        return program.INTERRUPTED
    return FAILED


def _run(first: str, rest: list[str]) -> int:
    if first == "help":  # what other programs have
        first, rest = (rest[0], ["--help"]) if rest else ("--help", [])
    if first in ("-h", "--help"):
        output.write(_help())
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
        again = f"try {output.typed('pyebpf')} {first} --help"
        output.complain("pyebpf", f"{err}\n{usage(first)}\n{again}")
        return MISUSED


def _help() -> str:
    parts = [f"{_USAGE}{_ABOUT}{summaries()}", helping.examples(_EXAMPLES), helping.statuses()]
    return "\n\n".join(parts) + "\n"


def _run_tool(name: str, rest: list[str]) -> int:
    if not name.isidentifier() or name.startswith("_"):
        return _misused(name)
    module = f"{_TOOLS}.{name}"
    try:
        tool: Tool[object] = importlib.import_module(module).tool
    except ModuleNotFoundError as err:
        if err.name != module:
            raise
        return _misused(name)
    return tool.main(rest)


def _misused(word: str) -> int:
    """Say that a word is neither a command nor a tool, and what may have been meant."""
    text = f"there is no command and no tool {word!r}"
    if word.startswith("-"):
        text = f"there is no option {word}{near.did_you_mean(near.nearest(word, _FLAGS))}"
    elif os.path.isfile(word):  # noqa: PTH113 - as the rest of this package
        text += f"; `{output.typed('pyebpf')} run {word}` runs the probes of a program"
    elif close := near.nearest(word, [*COMMANDS, *_tools()]):
        text += near.did_you_mean(close)
    else:
        text += f"; `{output.typed('pyebpf')} tools` lists the tools"
    output.complain("pyebpf", f"{text}\n{_USAGE}try {output.typed('pyebpf')} --help")
    return MISUSED


def _tools() -> list[str]:
    """Return the names of the tools, without importing any."""
    folders = importlib.import_module(_TOOLS).__path__
    files = (name for folder in folders for name in os.listdir(folder))  # noqa: PTH208
    return [name[:-3] for name in files if name.endswith(".py") and not name.startswith("_")]
