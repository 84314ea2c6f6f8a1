"""What the verifier knows after each instruction, read from its log with every state (level 2).

Newer kernels write it behind the instruction, older ones in a line of its own in front of the next
one: ``5: R0=inv(id=0) R10=fp0``. Where the verifier turns to a branch that it had left for later,
stands the state there: ``from 12 to 15: R0=…``.

Source: ``print_verifier_state`` and ``print_insn_state`` of ``kernel/bpf/verifier.c``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyebpf.inspection.values import Values
from pyebpf.plain import Frozen

_INSN = re.compile(r"(\d+): \([0-9a-f]{2}\) (.*)")
_STATE = re.compile(
    r"(?:from \d+ to )?(\d+):(?: safe| \(speculative execution\))?(?: frame(\d+):)? ?(R.*)?$"
)
_SCRATCHED = ("R1", "R2", "R3", "R4", "R5")
_FROM = re.compile(r"from (\d+) to \d+")
#: A register or a place on the stack; behind it may stand how it was used: ``R0_w=``.
_NAME = re.compile(r"(?:^|\s)(R\d+|fp-\d+)(?:_[a-zA-Z]+)?=")
_BEHIND = re.compile(r"\s;\s(?:frame(\d+): )?((?:R\d|fp-\d|refs=).*)$")


class State(Frozen):
    """What is known after an instruction, the first time that it was followed.

    Attributes:
        changed: registers and places on the stack, where something else is known than before.
        known: all of which something is known.
        visits: how many times the verifier came by.
        reads: the registers that it reads whose values a call or a load gave, with the number of
            that instruction.
    """

    changed: tuple[tuple[str, str], ...]
    known: tuple[tuple[str, str], ...]
    visits: int = 1
    reads: tuple[tuple[int, int], ...] = ()


def states_of(log: str) -> dict[int, State]:
    """Return what the verifier knew after each instruction that it followed."""
    return _Reader().read(log)


class _Reader:
    def __init__(self) -> None:
        self._found: dict[int, State] = {}
        self._frame = "0"
        self._known: dict[str, dict[str, str]] = {"0": {}}
        self._last: int | None = None
        self._values = Values()

    def read(self, log: str) -> dict[int, State]:
        for line in log.partition("Verification failed:")[0].splitlines():
            insn, turn = _INSN.match(line), _FROM.match(line)
            if turn is not None:
                self._values.turn(int(turn[1]))
            if insn is not None:
                self._instruction(int(insn[1]), insn[2])
            elif (state := _STATE.match(line)) and state[3]:
                self._alone(state[2] or self._frame, state[3], is_jump=turn is not None)
        return self._found

    def _instruction(self, number: int, text: str) -> None:
        if text.startswith("call"):
            for register in _SCRATCHED:  # a call leaves nothing in them
                self._known.setdefault(self._frame, {}).pop(register, None)
        behind = _BEHIND.search(text)
        reads = self._values.follow(number, text[: behind.start()].rstrip() if behind else text)
        self._visited(number, reads)
        if behind is not None:
            self._after(number, behind[1] or self._frame, behind[2])

    def _visited(self, number: int, reads: tuple[tuple[int, int], ...]) -> None:
        before = self._found.get(number)
        if before is None:
            self._found[number] = State((), (), reads=reads)
            self._last = number
        else:
            self._found[number] = before.replace(visits=before.visits + 1)
            self._last = None  # what is known the second time is not shown

    def _alone(self, frame: str, text: str, *, is_jump: bool) -> None:
        """Take a state in a line of its own: after the last instruction, or of another path."""
        if is_jump:
            self._frame = frame
            self._known[frame] = dict(_parsed(text))
        elif self._last is not None:
            self._after(self._last, frame, text)
        else:
            self._frame = frame
            self._known.setdefault(frame, {}).update(_parsed(text))

    def _after(self, number: int, frame: str, text: str) -> None:
        known = self._known.setdefault(frame, {})
        self._frame = frame
        new = dict(_parsed(text))
        changed = {name: value for name, value in new.items() if known.get(name) != value}
        known.update(new)
        if number != self._last:
            return
        state = self._found[number]
        merged = {**dict(state.changed), **changed}
        self._found[number] = state.replace(
            changed=tuple(merged.items()), known=tuple(known.items())
        )


def _parsed(text: str) -> Iterator[tuple[str, str]]:
    """Yield the registers of a state, and what is known of them."""
    found = list(_NAME.finditer(text))
    ends = [each.start() for each in found[1:]] + [len(text)]
    for each, end in zip(found, ends, strict=True):
        value = text[each.end() : end].strip()
        yield each[1], re.sub(r"\s(?:refs|cb|async_cb)(?:=\S*)?$", "", value)
