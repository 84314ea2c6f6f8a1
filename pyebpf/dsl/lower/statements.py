"""Statements: from the typed tree to blocks of IR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed
from pyebpf.dsl.lower import effect as lower_effect
from pyebpf.dsl.lower.events import SUBMIT, reserve
from pyebpf.dsl.lower.expr import Expressions
from pyebpf.dsl.lower.locks import locked
from pyebpf.dsl.lower.loops import LOOPS, Around
from pyebpf.dsl.typed_locks import Locked
from pyebpf.ir.build import Builder
from pyebpf.ir.nodes import Block, Function, Param, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl.unit import UnitState


@dataclass
class _Frame:
    """Where ``return`` of an expanded function goes."""

    end: Block
    loops: list[Around]
    held: int


class Lowering(Expressions):
    """Lowers the statements of one function."""

    def __init__(self, function: Function, context: Param, unit: UnitState) -> None:
        super().__init__(Builder(function), context, unit)
        self.section = function.section
        self._frames: list[_Frame] = []
        self.loops: list[Around] = []

    def block(self, statements: list[typed.Stmt]) -> None:
        """Lower statements, up to the one that ends the block."""
        around = self.build.span
        for statement in statements:
            if self.build.done:
                return
            self.build.span = statement.span
            mark = self.scratch_mark()
            _STATEMENTS[type(statement)](self, statement)
            self.scratch_free(mark)
        self.build.span = around  # what follows is no part of the last statement

    def inlined(self, body: list[typed.Stmt]) -> None:
        """Lower the body of an expanded function; ``return`` in it goes to its end."""
        span = self.build.span
        frame = _Frame(self.build.new_block("end"), self.loops, len(self.held))
        self._frames.append(frame)
        self.loops = []
        self.block(body)
        self.build.jump(frame.end)
        self.build.start(frame.end)
        self.loops = frame.loops
        self._frames.pop()
        self.build.span = span

    def evaluate(self, statement: typed.Evaluate) -> None:
        self.discard(statement.value)

    def assign(self, statement: typed.Assign) -> None:
        self.store(statement.variable, statement.value)

    def if_(self, statement: typed.If) -> None:
        then, other = self.build.new_block("then"), self.build.new_block("else")
        end = self.build.new_block("end")
        self.condition(statement.condition, then, other)
        for start, body in ((then, statement.then), (other, statement.other)):
            self.build.start(start)
            self.block(body)
            self.build.jump(end)
        self.build.start(end)

    def break_(self, _: typed.Break) -> None:
        self.release(self.loops[-1].held, SUBMIT)
        self.build.jump(self.loops[-1].after)

    def continue_(self, _: typed.Continue) -> None:
        self.release(self.loops[-1].held, SUBMIT)
        self.build.jump(self.loops[-1].next)

    def return_(self, statement: typed.Return) -> None:
        if self._frames:
            self.release(self._frames[-1].held, SUBMIT)
            self.build.jump(self._frames[-1].end)
            return
        value = self.returned(statement)
        self.release(0, SUBMIT)
        self.build.ret(value)

    def returned(self, statement: typed.Return) -> Value | None:
        """Return what the program gives back."""
        if statement.value is None:
            return self.build.const(self.ended, self.build.function.result)
        return self.number(statement.value)

    def fail(self, _: typed.Abort) -> None:
        self.abort()

    def loop(self, statement: Any) -> None:
        LOOPS[type(statement)](self, statement)

    def effect(self, statement: Any) -> None:
        lower_effect.EFFECTS[type(statement)](self, statement)


_STATEMENTS: dict[type[typed.Stmt], Callable[[Lowering, Any], None]] = {
    typed.Evaluate: Lowering.evaluate,
    typed.Assign: Lowering.assign,
    typed.If: Lowering.if_,
    **dict.fromkeys(LOOPS, Lowering.loop),
    typed.Abort: Lowering.fail,
    typed.Break: Lowering.break_,
    typed.Continue: Lowering.continue_,
    typed.Return: Lowering.return_,
    typed.Reserve: reserve,
    Locked: locked,
    **dict.fromkeys(lower_effect.EFFECTS, Lowering.effect),
}
