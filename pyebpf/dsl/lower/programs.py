"""Programs, and the functions in them that stay functions: each lowered once, and called.

What a function may do to the whole program goes through arguments of the compiler's own, behind the
user's: the context, if the function reads it, and the address of a byte that it sets where the
program must end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyebpf.abi.programs import program_kind_of_section
from pyebpf.abi.results import result_of
from pyebpf.dsl import typed
from pyebpf.dsl.faults import Unsupported
from pyebpf.dsl.lower.statements import Lowering
from pyebpf.ir.nodes import CallFunction, Function, Param, Value
from pyebpf.ir.types import BOOL, I32, I64, VOID, Pointer, Space

if TYPE_CHECKING:
    from pyebpf.dsl.lower.expr import Expressions
    from pyebpf.dsl.typed_timers import Callback
    from pyebpf.dsl.unit import UnitState

_REGISTERS = 5


@dataclass
class Lowered:
    """A function in IR, and which arguments of the compiler's own it takes."""

    function: Function
    takes_context: bool
    may_end: bool


class _Calling(Lowering):
    """Lowers a function that may call others."""

    def call_subprogram(self, expr: typed.CallSubprogram) -> Value:
        return _call(self, expr)

    def callback(self, made: Callback) -> str:
        """Lower a function that the kernel calls, at its first mention; return its name."""
        if made not in self.unit.callbacks:
            self.unit.callbacks.add(made)  # it may name itself
            self.unit.lowered[made] = CallbackLowering(made, self.section, self.unit).run()
        return made.name


class SubprogramLowering(_Calling):
    """Lowers one function that stays a function."""

    def __init__(self, made: typed.Subprogram, section: str, unit: UnitState) -> None:
        params = tuple(_param(variable, made) for variable in made.parameters)
        kind = VOID if made.result is None else made.result.type
        assert kind is not None
        function = Function(made.name, "", params, kind, [], [], made.span, section)  # type: ignore[arg-type]
        function.stand_in = made.stand_in
        self.made = made
        self.takes_context = False
        self.outcome: Param | None = None
        self._context = Param(Pointer(Space.CTX), made.span, "ctx")
        super().__init__(function, self._context, unit)
        self.section = section
        for variable, param in zip(made.parameters, params, strict=True):
            self.take(variable, param)

    @property
    def context(self) -> Value:
        """The program's context, as an argument that is there if it is used."""
        self.takes_context = True
        return self._context

    @context.setter
    def context(self, value: Value) -> None:
        assert value is self._context

    def run(self) -> Lowered:
        """Lower the body; return the function with all its parameters."""
        self.block(self.made.body)
        if not self.build.done:
            self.build.ret(self._result())
        function = self.build.function
        own = (self._context if self.takes_context else None, self.outcome)
        function.params = (*function.params, *(param for param in own if param is not None))
        if len(function.params) > _REGISTERS:
            what = f"`{self.made.name}` with {len(function.params)} arguments"
            advice = "the compiler needs one for the context or for errors: leave out @noinline"
            self.unit.diagnostics.report(Unsupported(self.made.span, what=what, advice=advice))
        return Lowered(function, self.takes_context, self.outcome is not None)

    def _result(self) -> Value | None:
        result = self.made.result
        return None if result is None else self.build.read(self.cell(result).value)

    def returned(self, statement: typed.Return) -> Value | None:
        return self._result()

    def abort(self) -> None:
        """Tell the caller that the program must end."""
        if self.outcome is None:
            self.outcome = Param(Pointer(Space.STACK, BOOL), self.made.span, "ended")
        self.release(0, "ringbuf_discard")
        self.build.store(self.outcome, self.build.const(1, BOOL))
        kind = self.build.function.result
        self.build.ret(None if kind == VOID else self.build.const(0, kind))


class CallbackLowering(SubprogramLowering):
    """Lowers one function that the kernel calls: it has no context, and ends by itself."""

    made: Callback

    def __init__(self, made: Callback, section: str, unit: UnitState) -> None:
        super().__init__(made, section, unit)
        self.build.function.result = I32
        _, key, value = self.build.function.params
        self.entries[made.turn] = (key, value)

    @property
    def context(self) -> Value:
        """Nothing: the program that named the function has ended."""
        what = f"the context in `{self.made.name}`"
        advice = "keep what it needs in the map's entry"
        self.unit.diagnostics.report(Unsupported(self.build.span, what=what, advice=advice))
        return self._context

    @context.setter
    def context(self, value: Value) -> None:
        assert value is self._context

    def _result(self) -> Value | None:
        return self.build.const(0, I32)

    def abort(self) -> None:
        """Return to the kernel."""
        self.release(0, "ringbuf_discard")
        self.build.ret(self._result())


def _param(variable: typed.Variable, made: typed.Subprogram) -> Param:
    assert variable.type is not None
    return Param(variable.type, made.span, variable.name)  # type: ignore[arg-type]


def _call(low: Expressions, expr: typed.CallSubprogram) -> Value:
    """Lower a call; the value is void if the function gives none."""
    build = low.build
    arguments = [low.number(arg) for arg in expr.args]
    build.span = expr.span
    lowered = lower_once(expr.callee, low)
    if lowered.takes_context:
        arguments.append(low.context)
    ended = build.slot("ended", BOOL) if lowered.may_end else None
    if ended is not None:
        build.write(ended, build.const(0, BOOL))
        arguments.append(build.addr(ended))
    kind = lowered.function.result
    result = build.add(CallFunction(kind, build.span, lowered.function.name, tuple(arguments)))
    if ended is not None:
        low.abort_if(build.read(ended))
    return result


def lower_once(made: typed.Subprogram, low: Expressions) -> Lowered:
    """Return a function in IR, lowering it at its first call."""
    done = low.unit.lowered
    if made not in done:
        done[made] = SubprogramLowering(made, low.section, low.unit).run()
    found: Lowered = done[made]
    return found


def lower_program(program: typed.Program, unit: UnitState) -> Function:
    """Return the IR of one program."""
    context = Param(Pointer(Space.CTX), program.span, "ctx")
    given = result_of(program_kind_of_section(program.section)[0])
    kind = I64 if given.wide else I32
    function = Function(program.name, program.section, (context,), kind, [], [], program.span)
    lowering = _Calling(function, context, unit)
    lowering.ended = given.ended
    for parameter in program.parameters:
        if parameter.value is not None:
            lowering.store(parameter.variable, parameter.value)
    lowering.block(program.body)
    if not lowering.build.done:
        lowering.build.span = program.span
        lowering.build.ret(lowering.build.const(lowering.ended, kind))
    return function
