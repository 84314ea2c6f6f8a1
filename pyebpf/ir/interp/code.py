"""From a function of the IR to Python closures, one for each instruction.

A frame is a list: a place for each value and each variable, constants already in theirs. An
operation takes the frame; the last one of a block gives the number of the next block, or -1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from pyebpf.errors import InternalError
from pyebpf.ir.flow import Flow
from pyebpf.ir.interp.faults import ProbeFault
from pyebpf.ir.interp.memory import Region
from pyebpf.ir.interp.numbers import wrapped
from pyebpf.ir.nodes import Branch, Const, Jump, Return, Slot, Value
from pyebpf.ir.passes.stack_slots import memory_slots

if TYPE_CHECKING:
    from pyebpf.ir.interp.machine import Machine
    from pyebpf.ir.nodes import Block, Function

Frame: TypeAlias = "list[Any]"
Operation: TypeAlias = Callable[["Frame"], Any]

#: The place in a frame of what the function returns.
RESULT = 0


class Code:
    """One function, ready to run.

    Attributes:
        hits: how often each block ran, by number.
        order: the blocks by number.
    """

    def __init__(self, machine: Machine, fn: Function) -> None:
        self.machine = machine
        self.fn = fn
        self.order = Flow(fn).order
        self.hits = [0] * len(self.order)
        self.numbers: dict[Block, int] = {block: i for i, block in enumerate(self.order)}
        self.template: Frame = [0]
        self.places: dict[Value | Slot, int] = {}
        self.in_memory = {slot: self._new(slot, None) for slot in memory_slots(fn)}
        for slot in fn.slots:
            if slot not in self.in_memory:
                self._new(slot, 0)
        self.params = [self.place(param) for param in fn.params]
        self._blocks = [self._block(block) for block in self.order]
        self._spare: list[Frame] = []

    def _new(self, item: Value | Slot, first: Any) -> int:
        self.places[item] = len(self.template)
        self.template.append(first)
        return self.places[item]

    def place(self, item: Value) -> int:
        """Return where in a frame a value is; a constant is there from the start."""
        found = self.places.get(item)
        if found is not None:
            return found
        first = wrapped(item.type, item.value) if isinstance(item, Const) else None
        return self._new(item, first)

    def _block(self, block: Block) -> tuple[tuple[Operation, ...], Operation]:
        operations: list[Operation] = []
        line = 0
        for instr in block.instrs[:-1]:
            if self.machine.on_line is not None and instr.span and instr.span.line != line:
                line = instr.span.line
                operations.append(self.machine.stepper(self, instr.span))
            rule = self.machine.rules.get(type(instr))
            if rule is None:
                kind = type(instr).__name__
                raise InternalError(f"{self.fn.name}: the interpreter has no rule for {kind}")
            operations.append(rule(self, instr))
        return tuple(operations), self._end(block.instrs[-1])

    def _end(self, last: Value) -> Operation:
        if isinstance(last, Jump):
            target = self.numbers[last.target]
            return lambda _: target
        if isinstance(last, Branch):
            test = self.place(last.condition)
            then, other = self.numbers[last.then], self.numbers[last.other]
            return lambda r: then if r[test] else other
        assert isinstance(last, Return)
        if last.value is None:
            return lambda _: -1
        value = self.place(last.value)

        def finish(r: Frame) -> int:
            r[RESULT] = r[value]
            return -1

        return finish

    def run(self, args: tuple[int, ...]) -> int:
        """Run the function to its end; return its result, 0 if it has none.

        Raises:
            ProbeFault: at the line of the instruction that went wrong.
        """
        frame = self._spare.pop() if self._spare else self._frame()
        for place, arg in zip(self.params, args, strict=True):
            frame[place] = arg
        blocks, hits, machine = self._blocks, self.hits, self.machine
        at = 0
        try:
            while at >= 0:
                hits[at] += 1
                operations, end = blocks[at]
                for operation in operations:
                    operation(frame)
                at = end(frame)
                machine.fuel -= 1
                if machine.fuel < 0:
                    self._endless(at)
        except ProbeFault as fault:
            if not fault.function:
                raise ProbeFault(fault.reason, fault.span, self.fn.name) from None
            raise
        result: int = frame[RESULT]
        self._give_back(frame)
        return result

    def _endless(self, at: int) -> None:
        span = self.order[max(at, 0)].instrs[0].span
        raise ProbeFault("the probe runs for too long; is a loop without end?", span)

    def _frame(self) -> Frame:
        frame = self.template.copy()
        for slot, place in self.in_memory.items():
            what = f"variable `{slot.name}`"
            region = self.machine.memory.add(bytearray(slot.type.size), what)
            region.defined = bytearray(slot.type.size)
            frame[place] = region
        return frame

    def _give_back(self, frame: Frame) -> None:
        """Keep a frame for the next call: making regions costs more than forgetting bytes."""
        for slot in self.fn.slots:
            place = self.places[slot]
            region = frame[place]
            if isinstance(region, Region):
                region.defined = bytearray(region.size)
            else:
                frame[place] = 0
        frame[RESULT] = 0
        self._spare.append(frame)
