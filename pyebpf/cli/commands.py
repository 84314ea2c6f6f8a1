"""The commands of the program ``pyebpf``: a row for each, and what they have in common.

To add a command: a file here with ``ARGUMENTS`` and a function ``run``, and a row. ``run`` takes
what follows the command's name and returns the exit code; it raises ``UsageError`` for arguments
that make no sense.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pyebpf.cli.options import Option, row, rows, scan
from pyebpf.lazy import lazy
from pyebpf.plain import Frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyebpf.cli import helping
else:
    helping = lazy("pyebpf.cli.helping")  # few starts need it


class Command(Frozen):
    """A command: how it is called, what it does, and the module of this package that does it.

    Attributes:
        place: the module's name, if it is not the command's.
    """

    name: str
    usage: str
    summary: str
    place: str = ""

    @property
    def module(self) -> Any:
        """The module."""
        return import_module(f"{__package__}.{self.place or self.name}")

    def run(self, argv: list[str]) -> int:
        """Run it, and return its exit code."""
        command: Callable[[list[str]], int] = self.module.run
        return command(argv)


_ROWS = (
    Command("tools", "", "list the tools"),
    Command("doctor", "[options]", "say what works on this machine, and what does not"),
    Command("list", "[options] PATTERN", "find hooks, with the types of their arguments"),
    Command(
        "run", "[options] PROGRAM", "show what a program's probes print, send and count", "running"
    ),
    Command("compile", "[options] PROGRAM -o OBJECT", "compile probes into an object file"),
    Command("inspect", "[options] PROGRAM|OBJECT", "show lines, IR, instructions, verifier states"),
    Command("record", "[options] PROGRAM -o FILE", "write what a program's probes send to a file"),
    Command("replay", "[options] FILE", "print what is in such a file, on any machine"),
    Command("completion", "bash|zsh|fish", "print what a shell completes of command lines"),
    Command("stubs", "[-o DIR] [WHAT ...]", "write this kernel's names for type checkers"),
)
COMMANDS = {command.name: command for command in _ROWS}


def usage(name: str) -> str:
    """Return the line that says how to call a command."""
    return f"usage: pyebpf {name} {COMMANDS[name].usage}".rstrip()


def summaries() -> str:
    """Return a line for each command."""
    return "\n".join(row(command.name, command.summary) for command in _ROWS)


class Given(Frozen):
    """What a command line says.

    Attributes:
        values: of each option that was given, by its key, in their order.
        words: what is no option.
    """

    values: dict[str, list[Any]]
    words: list[str]

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value that was given last, or the default."""
        return self.values.get(key, [default])[-1]

    def all(self, key: str) -> list[Any]:
        """Return every value of an option that may be given several times."""
        return self.values.get(key, [])


def option(
    *flags: str,
    help: str,  # noqa: A002
    metavar: str = "",
    convert: Callable[[str], Any] = str,
) -> Option:
    """Return an option of a command, whose key is its first flag without dashes."""
    key = flags[0].lstrip("-")
    return Option(key, key, flags, metavar, help, None, convert)


_HELP = option("-h", "--help", help="print this help")


class Arguments:
    """What a command understands.

    Args:
        name: of the command.
        about: the paragraphs of its help.
        options: its own; ``-h`` is every command's.
        examples: in each line a command, and maybe ``#`` with what it does.
        done: what exit status 0 means, if more than that.
        failed: what 1 means, if there is more to say.
        lasts: it goes on until Ctrl-C.

    Attributes:
        options: all of them.
    """

    def __init__(  # noqa: PLR0913 - the words of a declaration
        self,
        name: str,
        about: str,
        options: Sequence[Option],
        examples: str,
        *,
        done: str = "",
        failed: str = "",
        lasts: bool = False,
    ) -> None:
        self._name, self._about, self._examples = name, about, examples
        self._done, self._failed, self._lasts = done, failed, lasts
        self.options = (*options, _HELP)

    def read(self, argv: Sequence[str]) -> Given:
        """Read a command line.

        Raises:
            UsageError: it makes no sense.
        """
        values: dict[str, list[Any]] = {}
        found, words = scan(self.options, argv)
        for each, value in found:
            values.setdefault(str(each.key), []).append(value)
        return Given(values, words)

    def help(self) -> str:
        """Return the text of ``--help``."""
        parts = [usage(self._name), helping.filled(self._about)]
        parts.append("\n".join(["options:", *rows(self.options)]))
        parts += [helping.examples(self._examples), self._exits()]
        return "\n\n".join(parts) + "\n"

    def _exits(self) -> str:
        return helping.statuses(done=self._done, failed=self._failed, lasts=self._lasts)
