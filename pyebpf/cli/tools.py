"""The command ``pyebpf tools``: which tools there are."""

from __future__ import annotations

import importlib

from pyebpf.cli import output
from pyebpf.cli.commands import Arguments
from pyebpf.cli.options import UsageError

ARGUMENTS = Arguments("tools", "List the tools, with what each says of itself.", ())


def run(argv: list[str]) -> int:
    """Run the command and return its exit code: 1 if no tools are installed."""
    given = ARGUMENTS.read(argv)
    if "h" in given:
        output.write(ARGUMENTS.help())
        return 0
    if given.words:
        raise UsageError(f"{given.words[0]!r} is one argument too many")
    code: int = importlib.import_module("pyebpf.tools.__main__").main()
    return code
