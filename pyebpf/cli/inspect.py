"""The command ``pyebpf inspect``: what becomes of each line, and what the verifier knows there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pyebpf import colour
from pyebpf.btf.near import did_you_mean, nearest
from pyebpf.cli import output
from pyebpf.cli.commands import Arguments, option
from pyebpf.cli.options import UsageError
from pyebpf.cli.programs import DEFINE, PROGRAM_HELP, chosen, read_program
from pyebpf.cli.tool import FAILED
from pyebpf.errors import FormatError, PyebpfError
from pyebpf.inspection import inspect_subject, subject_of_file, subject_of_probes
from pyebpf.progress import doing

if TYPE_CHECKING:
    from pyebpf.cli.commands import Given
    from pyebpf.inspection import Chunk, Row, Section, Subject

_SIDES = ("source", "ir", "bpf", "verifier")
_ABOUT = f"""\
Show what becomes of each line of a program: the line of Python, the IR that it became, the
instructions of BPF, and after each what the verifier knows then of registers (R) and of the stack
(fp): what changed there, on the first way on which the verifier came by; the number of ways stands
behind it. For that each program is loaded, attached nowhere, and gone at once; without root the
first three are shown.

{PROGRAM_HELP} OBJECT is an ELF file of
any compiler; it has no IR.

SIDES are some of {",".join(_SIDES)}.
"""
_OPTIONS = (
    option("-P", "--program", metavar="NAME", help="this one only; may be given several times"),
    option("-w", "--what", metavar="SIDES", help="what to show, commas between (default: all)"),
    DEFINE,
    option("-v", "--verbose", help="all that the verifier knows, not only what changed"),
)  # fmt: skip
_EXAMPLES = """
sudo pyebpf inspect probe.py
pyebpf inspect pyebpf.tools.biolatency --program on_issue --what source,bpf
sudo pyebpf inspect probe.o -w bpf,verifier
"""
ARGUMENTS = Arguments(
    "inspect",
    _ABOUT,
    _OPTIONS,
    _EXAMPLES,
    failed="it failed, or the verifier refused a program",
)


def run(argv: list[str]) -> int:
    """Run the command and return its exit code: 1 if the verifier refused a program.

    Raises:
        UsageError: the arguments make no sense.
        PyebpfError, OSError: there is no such program, or it does not compile.
    """
    given = ARGUMENTS.read(argv)
    if "h" in given:
        output.write(ARGUMENTS.help())
        return 0
    if len(given.words) != 1:
        raise UsageError("inspect takes one PROGRAM or OBJECT")
    sides = _sides(given)
    subject = _read(given)
    only = _only(given, subject)
    view = _View(sides, verbose="v" in given)
    code = 0
    with doing("asking the verifier"):
        for section in inspect_subject(subject, only=only, verify="verifier" in sides):
            output.write("\n".join(view.section(section)) + "\n")
            code = FAILED if section.refusal else code
    return code


def _sides(given: Given) -> tuple[str, ...]:
    words = given.get("w", ",".join(_SIDES)).split(",")
    for word in words:
        if word not in _SIDES:
            near = did_you_mean(nearest(word, _SIDES)) or f"; write some of {','.join(_SIDES)}"
            raise UsageError(f"--what: there is nothing called {word!r}{near}")
    return tuple(words)


def _read(given: Given) -> Subject:
    word = given.words[0]
    try:
        found = subject_of_file(word)
    except FormatError as err:
        raise PyebpfError(f"{word}: {err}") from None
    if found is not None:
        if "D" in given:
            raise UsageError(f"-D is for programs in Python; {word} is compiled already")
        return found
    program = read_program(word)
    options = chosen(program, given.all("D"))
    return subject_of_probes(*program.probes, options=options)


def _only(given: Given, subject: Subject) -> list[str]:
    names = subject.names
    for name in given.all("P"):
        if name not in names:
            near = did_you_mean(nearest(name, names)) or f"; there are {', '.join(names)}"
            raise PyebpfError(f"there is no program {name!r}{near}")
    return given.all("P")


_TAB = "        "


class _View:
    """How the parts are written."""

    def __init__(self, sides: tuple[str, ...], *, verbose: bool) -> None:
        self._sides, self._verbose = sides, verbose
        wanted = colour.wanted(sys.stdout)
        self._paint: Callable[[str, str], str] = colour.styled if wanted else lambda text, _: text

    def section(self, section: Section) -> Iterator[str]:
        """Yield the lines of a program."""
        yield self._paint(f"{section.name}: {section.hook}, {section.count} instructions", "head")
        if section.untold and "verifier" in self._sides:
            yield f"without what the verifier knows: {section.untold}"
        function = section.name
        for chunk in section.chunks:
            lines = list(self._chunk(chunk, section.culprit))
            if lines and chunk.function != function:
                function = chunk.function
                yield self._paint(f"function {function}:", "head")
            yield from lines
        if section.refusal:
            yield colour.paint(section.refusal) if self._paint("", "head") else section.refusal
        yield ""

    def _chunk(self, chunk: Chunk, culprit: int | None) -> Iterator[str]:
        shows_ir = chunk.ir and "ir" in self._sides
        shows_rows = chunk.rows and {"bpf", "verifier"}.intersection(self._sides)
        if "source" in self._sides and (shows_rows or shows_ir or chunk.rows):
            yield self._source(chunk)
        if shows_ir:
            for text in chunk.ir:
                yield self._paint(f"{_TAB}{text}", "dim")
        if shows_rows:
            for row in chunk.rows:
                yield from self._row(row, is_culprit=row.number == culprit)

    def _source(self, chunk: Chunk) -> str:
        if not chunk.file:
            return self._paint("(from no line of the source)", "frame")
        place = f"{chunk.file.rpartition('/')[2]}:{chunk.line}"
        missing = "" if chunk.rows else "  (needs no instructions)"
        return f"{self._paint(place, 'frame')}  {chunk.text.strip()}{missing}"

    def _row(self, row: Row, *, is_culprit: bool) -> Iterator[str]:
        note = f"  ; {row.note}" if row.note else ""
        line = f"{row.number:>5}: {row.text}{note}"
        yield self._paint(f"{line}  <-- refused", "bad") if is_culprit else line
        if "verifier" not in self._sides or row.state is None:
            return
        shown = row.state.known if self._verbose else row.state.changed
        text = "  ".join(f"{name}={value}" for name, value in shown)
        ways = f"  ({row.state.visits} ways)" if row.state.visits > 1 else ""
        if text or ways:
            yield self._paint(f"{_TAB}  {text}{ways}".rstrip(), "good")
