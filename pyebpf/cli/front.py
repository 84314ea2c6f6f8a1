"""The program ``pyebpf``: runs tools, lists them, compiles files."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import TYPE_CHECKING

from pyebpf.cli import output
from pyebpf.cli.options import UsageError
from pyebpf.cli.output import OutputError
from pyebpf.cli.tool import CLOSED_PIPE, FAILED, INTERRUPTED, MISUSED, Tool
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.errors import PyebpfError
from pyebpf.lazy import lazy
from pyebpf.session import compile_probes
from pyebpf.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyebpf.cli import stubs
else:
    stubs = lazy("pyebpf.cli.stubs")

_TOOLS = "pyebpf.tools"
_USAGE = """\
usage: pyebpf TOOL [arguments]        run a tool; TOOL --help says more
       pyebpf tools                   list the tools
       pyebpf compile FILE -o OBJECT  compile the probes of a Python file for this kernel
       pyebpf stubs [WHAT ...]        write this kernel's names for type checkers; --help says more
       pyebpf --version
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program ``pyebpf`` and return its exit code, as :meth:`Tool.main` does."""
    given = list(sys.argv[1:] if argv is None else argv)
    first, rest = (given[0], given[1:]) if given else ("--help", [])
    command = _COMMANDS.get(first, _run_tool)
    try:
        return command(first, rest)
    except OutputError as err:
        if err.is_closed:
            return CLOSED_PIPE
        output.complain("pyebpf", str(err))
    except (PyebpfError, OSError) as err:
        output.complain("pyebpf", str(err))
    except KeyboardInterrupt:
        return INTERRUPTED
    return FAILED


def _misused(text: str) -> int:
    output.complain("pyebpf", f"{text}\n{_USAGE.rstrip()}")
    return MISUSED


def _help(*_: object) -> int:
    output.write(_USAGE)
    return 0


def _version(*_: object) -> int:
    output.write(f"pyebpf {__version__}\n")
    return 0


def _list(*_: object) -> int:
    code: int = importlib.import_module(f"{_TOOLS}.__main__").main()
    return code


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


def _compile(_: str, rest: list[str]) -> int:
    if len(rest) != 3 or rest[1] != "-o":
        return _misused("compile takes a file, -o, and where to put the object")
    module = _imported(rest[0])
    probes = dict.fromkeys(
        value for value in vars(module).values() if isinstance(value, (Probe, Alternatives))
    )
    if not probes:
        raise PyebpfError(f"{rest[0]}: no probe in it: nothing is decorated with a hook")
    compiled = compile_probes(*probes)
    with open(rest[2], "wb") as file:  # noqa: PTH123 - pathlib costs a warm start milliseconds
        file.write(compiled.object)
    output.write(f"{rest[2]}: {', '.join(info.name for info in compiled.programs)}\n")
    return 0


def _stubs(_: str, rest: list[str]) -> int:
    try:
        return stubs.run(rest)
    except UsageError as err:
        return _misused(str(err))


def _imported(file: str) -> ModuleType:
    module = ModuleType("__pyebpf_compiled__")
    module.__file__ = file
    sys.modules[module.__name__] = module  # what it declares is looked up there
    SourceFileLoader(module.__name__, file).exec_module(module)
    return module


_COMMANDS: dict[str, Callable[[str, list[str]], int]] = {
    "-h": _help,
    "--help": _help,
    "--version": _version,
    "tools": _list,
    "compile": _compile,
    "stubs": _stubs,
}
