"""Which instruction made the value of a register, along the way that the verifier follows.

As in :mod:`pyebpf.runtime.verifier_values`, which walks back from a refusal, copies are seen
through, and what is kept on the stack for a while. Here all instructions are asked for: forward.
"""

from __future__ import annotations

import re

from pyebpf.plain import Frozen

_COPY = re.compile(r"[rw](\d+) = [rw](\d+)$")
_STEP = re.compile(r"r\d+ [+-]= -?\d+$")
_KEEP = re.compile(r"\*\(u\d+ \*\)\(r10 ([+-]\d+)\) = r(\d+)$")
_RELOAD = re.compile(r"r(\d+) = \*\(u\d+ \*\)\(r10 ([+-]\d+)\)$")
_SET = re.compile(r"[rw](\d+) = (.*)$")
_CONSTANT = re.compile(r"-?(?:\d+|0x[0-9a-f]+)$")
_CHANGED = re.compile(r"[rw](\d+) \S*= ")
_REGISTER = re.compile(r"\b[rw](\d+)\b")
_FRAME, _RESULT, _CALLER_SAVED = 10, 0, range(1, 6)


class Made(Frozen):
    """The instruction that made a value; ``given`` by a call or a load, not computed."""

    insn: int
    given: bool


_Place = int | str  # a register, or an offset on the stack


class Values:
    """Follows instructions, in the order in which the verifier does."""

    def __init__(self) -> None:
        self._made: dict[_Place, Made] = {}
        self._branches: dict[int, list[dict[_Place, Made]]] = {}

    def follow(self, number: int, text: str) -> tuple[tuple[int, int], ...]:
        """Take the next instruction; return the registers that it reads, and what made them.

        Only values that a call or a load gave are told: each as register and instruction.
        """
        used = [(register, self._made.get(register)) for register in _reads(text)]
        told = tuple((register, made.insn) for register, made in used if made and made.given)
        if text.startswith("if "):
            self._branches.setdefault(number, []).append(dict(self._made))
        else:
            self._change(number, text)
        return told

    def turn(self, branch: int) -> None:
        """Go back to a branch, to follow the other way."""
        kept = self._branches.get(branch)
        self._made = kept.pop() if kept else {}

    def _change(self, number: int, text: str) -> None:
        if text.startswith("call"):
            for register in _CALLER_SAVED:
                self._made.pop(register, None)
            self._made[_RESULT] = Made(number, given=True)
        elif kept := _KEEP.match(text):
            self._copy(int(kept[2]), kept[1])
        elif reloaded := _RELOAD.match(text):
            self._copy(reloaded[2], int(reloaded[1]))
        elif copied := _COPY.match(text):
            self._copy(int(copied[2]), int(copied[1]))
        elif value := _SET.match(text):
            given = not _CONSTANT.match(value[2]) and not value[2].startswith(("map", "func"))
            self._made[int(value[1])] = Made(number, given)
        elif (changed := _CHANGED.match(text)) and not _STEP.match(text):
            self._made[int(changed[1])] = Made(number, given=False)

    def _copy(self, source: _Place, target: _Place) -> None:
        made = self._made.get(source)
        if made is None:
            self._made.pop(target, None)
        else:
            self._made[target] = made


def _reads(text: str) -> list[int]:
    """Return the registers that an instruction reads, but the frame's, each once."""
    set_only = _SET.match(text)
    found = _REGISTER.findall(set_only[2] if set_only else text)
    return [number for number in dict.fromkeys(map(int, found)) if number != _FRAME]
