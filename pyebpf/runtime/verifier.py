"""What the kernel's verifier said, at the line of the source that it is about.

The log has two forms. Since Linux 7.3 it ends with a report under headings (``Reason:``, ``At:``,
``Suggestion:``); before, and above that report, the last lines are a listing of the instructions
followed by one sentence about a register. Both are read.

Source: ``kernel/bpf/verifier.c``; Linux commit ce7c9f6c599b for the report.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pyebpf.diag import Source, Span, render
from pyebpf.errors import VerifierError
from pyebpf.runtime.core_relocate import POISON_CALL
from pyebpf.runtime.faults import RefusedByVerifier
from pyebpf.runtime.prog_call import LOG_CUT
from pyebpf.runtime.verifier_hints import HINTS
from pyebpf.runtime.verifier_rights import lacking
from pyebpf.runtime.verifier_values import INSN, describe, origin_of

if TYPE_CHECKING:
    from pyebpf.runtime.relocate import LinkedProgram
    from pyebpf.runtime.resolver import CoreResolver
    from pyebpf.spec.objects import LineInfo

# Patterns are compiled when a program was refused, not at every start of a tool.
#: Lines that are no reason: counts at the end, states, source lines, backtracking.
_NOISE = (
    r"processed \d|verification time|stack depth|max_states|mark_precise|frame\d|regs=|last_idx"
    r"|parent |cur state:|old state:|;|from \d+ to \d+|\d+: |func#\d+ @|Live regs before"
    r"|propagating |\s*$|caller:|callee:|returning from callee|to caller at |Func#\d+ \("
    r"|Func#\d+ is |Validating |\s+R?\d"
)
#: An instruction named in a sentence, where the listing does not end at the culprit.
_NAMED = (
    r"(?:(?:back-edge from insn|unreachable insn|infinite loop detected at insn"
    r"|jump out of range from insn|jump into the middle of ldimm64 insn|loop detected at insn"
    r"|at insn|acquired at instruction) |alloc_insn=)(\d+)"
)
#: Sentences about the program as a whole; the listing may end anywhere.
_WHOLE = r"combined stack size|last insn is not an exit|the call stack of \d+ frames"
#: Where the listing was cut, the verifier was in the loop that it then lost patience with.
_TOO_LONG = r"too large|too complex"
#: What the verifier writes behind the instruction that it was at, in the same line.
_GAVE_UP = r"(?<=\S) (?=BPF program is too large|The sequence of \d+ jumps is too complex)"
_POISON = rf"unknown#{POISON_CALL}\b"


_NO_REASON = "it gave no reason"


class Refusal(NamedTuple):
    """What a log says.

    Attributes:
        reason: the kernel's sentence.
        insn: the instruction it is about, if known.
        text: that instruction as the kernel prints it; may be empty.
        suggestion: the kernel's advice (Linux 7.3); may be empty.
        raw: the part of the log that hints are looked for in.
    """

    reason: str
    insn: int | None
    text: str
    suggestion: str
    raw: str


def parse_log(log: str) -> Refusal:
    """Find the reason in a verifier's log, of any version of the kernel."""
    head, mark, report = log.partition("Verification failed:")
    plain = _parse_listing(head)
    return _parse_report(plain, report) if mark else plain


def _parse_listing(log: str) -> Refusal:
    lines = re.sub(_GAVE_UP, "\n", log).splitlines()
    listed = next((i for i in reversed(range(len(lines))) if re.match(INSN, lines[i])), -1)
    after = [line.strip() for line in lines[listed + 1 :] if not re.match(_NOISE, line)]
    cut = LOG_CUT in after
    after = after[after.index(LOG_CUT) + 1 :] if cut else after
    raw = "\n".join(after)
    reason = "; ".join(after[-3:]) or _NO_REASON
    named = re.search(_NAMED, raw)
    if cut and not re.search(_TOO_LONG, raw):
        listed = -1  # what was listed last is not what was refused
    found = re.match(INSN, lines[listed]) if listed >= 0 else None
    if named or found is None or re.search(_WHOLE, raw):
        return Refusal(reason, int(named[1]) if named else None, "", "", raw)
    return Refusal(reason, int(found[1]), found[2].strip(), "", raw)


_SECTIONS = r"(?m)^(Reason|At|Causal path|Suggestion):$"


def _parse_report(plain: Refusal, report: str) -> Refusal:
    title, *parts = re.split(_SECTIONS, report)
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    reason = " ".join(sections.get("Reason", title).split()) or plain.reason
    where = sections.get("At", "")
    # What was never given back is shown where it was got, not where the program ends.
    number = re.search(_NAMED, reason) or re.search(r"\binsn (\d+)|>>>\s*(\d+)\s*\|\s*\(", where)
    insn = int(number[number.lastindex or 1]) if number else plain.insn
    shown = re.search(rf">>>\s*{insn}\s*\|\s*\([0-9a-f]{{2}}\)\s*(.*)", report)
    suggestion = sections.get("Suggestion", "").partition("\n\n")[0]
    return Refusal(
        reason,
        insn,
        shown[1].strip() if shown else plain.text,
        " ".join(suggestion.split()),
        f"{plain.raw}\n{title.strip()}\n{reason}",
    )


def gives_reason(log: str) -> bool:
    """Tell whether a log says anything but counts; of an unknown attach type it does not."""
    refusal = parse_log(log)
    return refusal.reason != _NO_REASON or refusal.insn is not None


def hint_for(raw: str) -> str:
    """Return what to do about a reason; empty if nothing is known."""
    for hint in HINTS:
        if re.search(hint.pattern, raw):
            return hint.help
    return ""


def explain(program: LinkedProgram, log: str, resolver: CoreResolver) -> VerifierError:
    """Turn a refusal into an exception that shows the source line; the caller raises it.

    Args:
        program: what was refused.
        log: the verifier's log.
        resolver: says which field of the kernel a poisoned instruction was about.
    """
    refusal = parse_log(log)
    reason, hint = refusal.reason, hint_for(refusal.raw) or refusal.suggestion
    if re.search(_POISON, refusal.raw) and refusal.insn is not None:
        reason, hint = _poisoned(program, refusal.insn, resolver) or (reason, hint)
    right = lacking(refusal.raw)
    hint = right.hint if right else hint
    line = _line_of(program, refusal.insn)
    span = _span(line) if line else None
    item = RefusedByVerifier(span, program=program.name, reason=reason, hint=hint)
    notes = [render(item)]
    if refusal.insn is not None:
        text = f": {refusal.text}" if refusal.text else ""
        notes.append(f"  = note: instruction {refusal.insn} of `{program.name}`{text}")
        notes += _value_note(program, log, refusal)
    if reason != refusal.reason:
        notes.append(f"  = note: the kernel's words: {refusal.reason}")
    capability = right.capability if right else ""
    return VerifierError(
        "\n".join(notes), log=log, span=span, hint=hint or None, capability=capability or None
    )


def _value_note(program: LinkedProgram, log: str, refusal: Refusal) -> list[str]:
    """Name what the register that the kernel complains about held, where the source says it."""
    found = origin_of(refusal.raw, log, refusal.insn or 0)
    line = _line_of(program, found.insn) if found else None
    if found is None or line is None:
        return []
    value = describe(line, computed=found.computed)
    return [f"  = note: R{found.register} holds {value}: {line.file}:{line.line}"]


def _poisoned(program: LinkedProgram, insn: int, resolver: CoreResolver) -> tuple[str, str] | None:
    for poison in program.poisoned:
        if poison.insn == insn:
            reason = poison.reason or (resolver.explain(poison.reloc) if poison.reloc else "")
            return reason, "test whether it exists first, and read it only then"
    return None


def _line_of(program: LinkedProgram, insn: int | None) -> LineInfo | None:
    """Return the last line that begins at or before an instruction, the first one for None."""
    if insn is None:
        return program.lines[0] if program.lines else None
    return next((row for row in reversed(program.lines) if row.insn <= insn), None)


def _span(line: LineInfo) -> Span:
    # Debug information has one line of the source; it must be at its place in the text.
    source = Source(line.file, "\n" * (line.line - 1) + line.text)
    text = line.text.rstrip()
    start = line.column - 1 if line.column else len(text) - len(text.lstrip())
    return Span(source, line.line, start, line.line, max(len(text), start + 1))
