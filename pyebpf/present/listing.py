"""Compiled programs as text: each instruction under the line of Python that it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.abi.disasm import disassemble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyebpf.spec.objects import FunctionSpec, LineInfo, ObjectSpec, SectionSpec

_INSN = 8  # bytes


def listing(obj: ObjectSpec) -> str:
    """Return the programs of an object, in the kernel's notation.

    Maps have no descriptors yet, and fields are where the compiling kernel has them.
    """
    return "\n\n".join("\n".join(_function(obj, function)) for function in obj.functions) + "\n"


def _function(obj: ObjectSpec, function: FunctionSpec) -> Iterator[str]:
    section = next(s for s in obj.sections if s.name == function.section)
    code = section.code[function.start * _INSN : (function.start + function.count) * _INSN]
    yield f"{function.name}: {section.name}, {function.count} instructions"
    notes = _notes(section)
    lines = {line.insn: line for line in section.lines}
    shown: LineInfo | None = None
    for text in disassemble(code):
        at = function.start + int(text.partition(":")[0])
        line = lines.get(at)
        if line is not None and (
            shown is None or (line.file, line.line) != (shown.file, shown.line)
        ):
            yield f"    ; {line.text.strip()}  @ {line.file.rpartition('/')[2]}:{line.line}"
            shown = line
        yield f"    {text}" + (f"    ; {notes[at]}" if at in notes else "")


def _notes(section: SectionSpec) -> dict[int, str]:
    return {use.insn: use.symbol for use in section.symbols}
