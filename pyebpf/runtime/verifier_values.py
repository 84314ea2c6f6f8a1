"""Which value of the source a register held, read backwards from the verifier's own listing.

The listing has the instructions in the order in which the verifier followed them. From the one that
was refused it is walked back to the one that made the value: through copies, and through the stack
where a value was kept for a while. That instruction has a line of the source, and a column.

Source: ``kernel/bpf/disasm.c`` for how instructions are printed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyebpf.spec.objects import LineInfo

#: An instruction in the listing; a jump to another path may be told on the same line.
INSN = r"(\d+): \([0-9a-f]{2}\) (.*?)(?:\s+;.*)?$"
_PATH = r"from (\d+) to \d+"
_COPY = r"[rw](\d+) = [rw](\d+)$"
_STEP = r"r(\d+) [+-]= -?\d+$"
_RELOAD = r"r(\d+) = \*\(u\d+ \*\)\(r10 ([+-]\d+)\)$"
_KEEP = r"\*\(u\d+ \*\)\(r10 ([+-]\d+)\) = r(\d+)$"
_GIVEN = r"^call|^[rw]\d+ = "
_RESULT = r"(?:lock )?[rw](\d+) "
#: Which register a sentence is about; some sentences about sums name none.
_NAMED = r"\bR(\d+)\b"
_SUM = r"r\d+ [+-]= r(\d+)"
_CALLER_SAVED = range(6)


class Insn(NamedTuple):
    """An instruction that the verifier followed: its number, and its text."""

    number: int
    text: str


class Origin(NamedTuple):
    """Where a register got its value.

    Attributes:
        register: its number.
        insn: the instruction that gave it.
        computed: it is the result of arithmetic, not of a call, a load or a constant.
    """

    register: int
    insn: int
    computed: bool


def origin_of(reason: str, log: str, culprit: int) -> Origin | None:
    """Return the register that a reason is about, and where it got its value; None if unknown.

    Args:
        reason: the kernel's sentence.
        log: the whole listing.
        culprit: the instruction that was refused.
    """
    path = _path(log, culprit)
    if not path:
        return None
    named = re.search(_NAMED, reason) or re.match(_SUM, path[0].text)
    if named is None:
        return None
    register = int(named[1])
    made = _maker(path[1:], register)
    if made is None:
        return None
    return Origin(register, made.number, not re.search(_GIVEN, made.text))


def _path(log: str, culprit: int) -> list[Insn]:
    """List the instructions that led to one, the last first."""
    followed: list[Insn] = []
    branch: int | None = None
    for line in reversed(log.partition("Verification failed:")[0].splitlines()):
        found = re.match(INSN, line)
        insn = Insn(int(found[1]), found[2].strip()) if found else None
        if insn is not None and branch in (None, insn.number):
            branch = None
            if followed or insn.number == culprit:
                followed.append(insn)
        elif branch is None and followed and (other := re.match(_PATH, line)):
            # The state was kept when that branch was followed the other way, earlier.
            branch = int(other[1])
    return followed


def _maker(path: Sequence[Insn], register: int) -> Insn | None:
    """Return the instruction that gave a register its value: no copy, and no step from one."""
    slot = ""
    for insn in path:
        if slot:
            kept = re.match(_KEEP, insn.text)
            if kept and kept[1] == slot:
                register, slot = int(kept[2]), ""
            continue
        if insn.text.startswith("call"):
            if register == 0:
                return insn
            if register in _CALLER_SAVED:
                return None
            continue
        changed = re.match(_RESULT, insn.text)
        if changed is None or int(changed[1]) != register:
            continue
        if copied := re.match(_COPY, insn.text):
            register = int(copied[2])
        elif reloaded := re.match(_RELOAD, insn.text):
            slot = reloaded[2]
        elif not re.match(_STEP, insn.text):
            return insn
    return None


def describe(line: LineInfo, *, computed: bool) -> str:
    """Return what a line of the source calls the value that it makes.

    For the call in ``seen = table.get(pid)`` that is both its name and the call. Of a computed
    value the column tells the first operand only, so the whole line is shown.
    """
    if computed:
        return f"a result of `{line.text.strip()}`"
    start = max(line.column - 1, 0)
    expression = _primary(line.text[start:]) if line.column else line.text.strip()
    rest = line.text[start + len(expression) :].strip() if line.column else ""
    name = re.match(r"\s*(\w+)(?:\s*:[^=]+)?\s*=\s*$", line.text[:start])
    if name and (not rest or rest.startswith("#")):
        return f"`{name[1]}`, which is `{expression}`"
    return f"`{expression}`"


_CLOSING = {"(": ")", "[": "]", "{": "}"}


def _primary(text: str) -> str:
    """Return the names, dots, calls and indices that a text begins with."""
    open_brackets: list[str] = []
    for at, letter in enumerate(text):
        if letter in _CLOSING:
            open_brackets.append(_CLOSING[letter])
        elif open_brackets:
            if letter == open_brackets[-1]:
                open_brackets.pop()
        elif not (letter.isalnum() or letter in "_."):
            return text[:at] or text.strip()
    return text.rstrip()
