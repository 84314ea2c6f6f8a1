"""``%load_ext pyebpf``: a line magic for each tool, in IPython and in notebooks.

``%biolatency 10`` takes the tool's own options, and draws its report. They are made of the table of
tools: a tool is imported when it is first asked for something.
"""

from __future__ import annotations

import importlib
import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from pyebpf.cli import output
from pyebpf.cli.options import UsageError
from pyebpf.errors import PyebpfError
from pyebpf.present import screens
from pyebpf.present.report import drawable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.cli import Tool

_ALL = "pyebpf"


def register(shell: Any) -> None:
    """Give a shell of IPython a magic for each tool, and ``%pyebpf TOOL …`` for all of them.

    A name that the shell has for something else stays what it is: ``%pyebpf TOOL`` is there then.

    Args:
        shell: IPython's.
    """
    taken = shell.magics_manager.magics["line"]
    catalogue = importlib.import_module("pyebpf.tools.__main__").listed()
    for name, summary in catalogue.items():
        if name in taken and not isinstance(taken[name], ToolMagic):
            continue
        shell.register_magic_function(ToolMagic(name, summary), "line", name)
        shell.set_hook("complete_command", partial(_flags, name), str_key=f"%{name}")
    shell.register_magic_function(partial(_any_tool, catalogue), "line", _ALL)
    shell.set_hook("complete_command", partial(_names, catalogue), str_key=f"%{_ALL}")


class ToolMagic:
    """A line magic that runs a tool.

    Args:
        name: of the tool.
        summary: what it says of itself.
    """

    def __init__(self, name: str, summary: str) -> None:
        self.__name__ = name
        self.__doc__ = f"{summary}\n\nIt takes the tool's own options: %{name} --help\n"

    def __call__(self, line: str = "") -> Any:
        """Run the tool; return its report if there is one, else None."""
        return run(self.__name__, line)


def run(name: str, line: str) -> Any:
    """Run a tool in a cell.

    In a notebook a single report is returned, which draws it; several are drawn as they come. What
    goes wrong is said, without a traceback. An interrupt of the kernel ends it like Ctrl-C.

    Args:
        name: of the tool.
        line: its command line.
    """
    tool = _tool(name)
    try:
        words = shlex.split(line)
    except ValueError as err:
        output.complain(name, f"{err}: {line}")
        return None
    if not screens.is_notebook():
        tool.main(words)
        return None
    sheet = _Sheet()
    _told(tool, lambda: tool.perform(words, sheet.take))
    return sheet.left()


def _tool(name: str) -> Tool[Any]:
    tool: Tool[Any] = importlib.import_module(f"pyebpf.tools.{name}").tool
    return tool


def _told(tool: Tool[Any], perform: Callable[[], object]) -> None:
    """Do something, and say what fails."""
    try:
        perform()
    except UsageError as err:
        usage = tool.command_line().usage(tool.name)
        output.complain(tool.name, f"{err}\n{usage}\ntry %{tool.name} --help")
    except (PyebpfError, OSError) as err:
        lines = getattr(err, "_render_traceback_", str(err).splitlines)()
        output.complain(tool.name, "\n".join(lines))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # noqa: T201


class _Sheet:
    """The reports of one run: a single one is left for the caller, of several each is displayed."""

    def __init__(self) -> None:
        self._waiting: list[Any] = []
        self._count = 0

    def take(self, result: Any, text: Callable[[Any], str]) -> None:
        """Take a report, and display what has waited whether it is the only one."""
        self._show()
        self._waiting.append(drawable(result, text))
        self._count += 1
        if self._count > 1:
            self._show()

    def left(self) -> Any:
        """Return the only report; None if there were several, or none."""
        return self._waiting.pop() if self._waiting else None

    def _show(self) -> None:
        while self._waiting:
            importlib.import_module("IPython.display").display(self._waiting.pop())


def _any_tool(catalogue: dict[str, str], line: str = "") -> Any:
    """Run a tool by its name: ``%pyebpf biolatency 10``; without one, list them."""
    name, _, rest = line.strip().partition(" ")
    if name in catalogue:
        return run(name, rest)
    if name and name not in ("-h", "--help"):
        output.complain(_ALL, f"there is no tool {name!r}; %{_ALL} lists them")
        return None
    width = max(map(len, catalogue))
    output.write("".join(f"%{one:<{width}}  {said}\n" for one, said in catalogue.items()))
    return None


def _flags(name: str, _: Any, event: Any) -> list[str]:
    """Complete the options of a tool."""
    flags = [flag for option in _tool(name).command_line().options for flag in option.flags]
    return [flag for flag in flags if flag.startswith(event.symbol or "-")]


def _names(catalogue: dict[str, str], _: Any, event: Any) -> list[str]:
    """Complete the names of tools, then their options."""
    words = event.line.split()
    is_behind = len(words) > 2 or event.line[-1:].isspace()
    if is_behind and len(words) > 1 and words[1] in catalogue:
        return _flags(words[1], _, event)
    return [name for name in catalogue if name.startswith(event.symbol)]
