"""The parts of what is shown: a section for each program, a chunk for each line of the source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyebpf.abi.disasm import disassemble
from pyebpf.inspection.states import State
from pyebpf.plain import Frozen
from pyebpf.runtime.verifier_values import describe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pyebpf.spec.objects import LineInfo


class Row(Frozen):
    """An instruction.

    Attributes:
        number: in the program.
        text: as the kernel prints it, with the names of maps.
        note: where it jumps to, and what the registers that it reads hold, where another line of
            the source says it.
        state: what the verifier knows after it.
    """

    number: int
    text: str
    note: str = ""
    state: State | None = None


class Chunk(Frozen):
    """Instructions that follow each other and come from one line of the source.

    Attributes:
        function: the function of the object that they are in.
        file, line, text: where they come from; empty if the object does not say.
        ir: what our IR has for that line; only in the first chunk of a line.
        rows: the instructions; none, if the line needs none.
    """

    function: str
    file: str
    line: int
    text: str
    ir: tuple[str, ...]
    rows: tuple[Row, ...]


class Section(Frozen):
    """A program.

    Attributes:
        name: of its entry function.
        hook: the ELF section, which says what it is and where it goes.
        count: of its instructions, with those of the functions that it calls.
        chunks: in the order of the instructions.
        refusal: what the kernel said, if it refused the program; empty if it did not.
        untold: why there are no states of the verifier; empty if there are.
        culprit: the instruction that was refused.
    """

    name: str
    hook: str
    count: int
    chunks: tuple[Chunk, ...]
    refusal: str = ""
    untold: str = ""
    culprit: int | None = None


class IrLine(Frozen):
    """What the IR has for a line of the source, and that line."""

    source: str
    texts: tuple[str, ...]


#: IR by function, and by file and line.
IrLines = dict[tuple[str, str, int], IrLine]


def _row(
    at: int, text: str, maps: Mapping[int, str], state: State | None, lines: Sequence[LineInfo]
) -> Row:
    jump = re.search(r"\bpc([+-]\d+)$", text)
    notes = [f"to {at + 1 + int(jump[1])}"] if jump else []
    notes += _held(at, state, lines)
    named = re.sub(r"map\[fd:(\d+)\]", lambda m: f"map[{maps.get(int(m[1]), m[1])}]", text)
    return Row(at, named, ", ".join(notes), state)


def _held(at: int, state: State | None, lines: Sequence[LineInfo]) -> Iterator[str]:
    """Name the values of other lines that an instruction reads, as the source does."""
    here = line_at(lines, at)
    for register, made in state.reads if state is not None else ():
        there = line_at(lines, made)
        if there is None or here is None or (there.file, there.line) == (here.file, here.line):
            continue
        yield f"r{register}: {describe(there, computed=False).split('`')[1]}"


def line_at(lines: Sequence[LineInfo], insn: int) -> LineInfo | None:
    """Return the last line that begins at or before an instruction."""
    return next((row for row in reversed(lines) if row.insn <= insn), None)


def chunks_of(
    code: bytes,
    lines: Sequence[LineInfo],
    starts: Mapping[int, str],
    maps: Mapping[int, str],
    ir: IrLines,
    states: Mapping[int, State],
) -> Iterator[Chunk]:
    """Cut a program where the line of its source changes.

    Args:
        code: the instructions.
        lines: of the source, by instruction.
        starts: the functions, by their first instruction.
        maps: their names, by the numbers that stand for descriptors.
        ir: of the same functions; it may be empty.
        states: of the verifier; they may be empty.
    """
    left, by_insn = dict(ir), {line.insn: line for line in lines}
    function, rows = "", list[Row]()
    place: LineInfo | None = None

    def chunk() -> Chunk:
        file, line, text = (place.file, place.line, place.text) if place else ("", 0, "")
        found = left.pop((function, file, line), None)
        return Chunk(function, file, line, text, found.texts if found else (), tuple(rows))

    for shown in disassemble(code):
        number, _, text = shown.partition(": ")
        at = int(number)
        new = by_insn.get(at, place)
        moved = place is None or new is None or (new.file, new.line) != (place.file, place.line)
        if rows and (at in starts or moved):
            yield chunk()
            rows = []
        function, place = starts.get(at, function), new
        rows.append(_row(at, text, maps, states.get(at), lines))
    if rows:
        yield chunk()
    shown_functions = set(starts.values())
    for (owner, file, line), found in left.items():
        if owner in shown_functions:
            yield Chunk(owner, file, line, found.source, found.texts, ())
