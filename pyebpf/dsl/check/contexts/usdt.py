"""USDT probes: the registers, and arguments whose places the traced binary alone knows.

Each binary says in a note where the arguments of its probes are, and may say it differently at each
place that has the probe. So a program reads argument ``n`` through a function of its own, whose
body attaching replaces (``pyebpf.runtime.usdt``). Until then it reads a register: as if the probe
stood where a function with these arguments begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.abi.registers import USDT_ARGUMENTS
from pyebpf.dsl.annotations import data_type
from pyebpf.dsl.check.contexts.base import Given, bad_argument
from pyebpf.dsl.check.contexts.registers import RegisterArguments, register_context, registers_of
from pyebpf.dsl.scalars import UprobeContext
from pyebpf.dsl.typed import Assign, CallSubprogram, Expr, Parameter, Subprogram
from pyebpf.dsl.typed_context import ContextField
from pyebpf.dsl.types import U64, Int, ValueType
from pyebpf.spec.usdt import reader

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.probes import Hook


def usdt_arguments(hook: Hook, given: list[Given], scope: Scope) -> tuple[str, list[Parameter]]:
    """Give a probe its context, if it asks for it, then its arguments, by position."""
    passed = register_context(hook, given, UprobeContext, scope)
    maker = _Arguments(hook, registers_of(scope), scope)
    parameters = [maker.parameter(number, item) for number, item in enumerate(passed)]
    declared = [(item.name, data_type(item.hint)) for item in passed]
    if declared:
        scope.unit.arguments[scope.unit.program] = tuple(declared)  # type: ignore[arg-type]
    return f"{PROGRAM_KINDS[hook.kind].sections[0]}{hook.target}", parameters


class _Arguments(RegisterArguments):
    truth: ClassVar[Int] = U64  # the code that reads an argument cuts it out

    def check(self, number: int, item: Given) -> None:
        if number >= USDT_ARGUMENTS:
            why = f"a USDT probe has {USDT_ARGUMENTS} arguments at most"
            raise bad_argument(item, why, "u64", self.scope)

    def value(self, number: int, item: Given, kind: ValueType) -> Expr:
        span = self.scope.span(item.node)
        return CallSubprogram(kind, span, self._reader(number, span), ())

    def _reader(self, number: int, span: Span) -> Subprogram:
        """Return the function that gives an argument, the same for all programs of the unit."""
        unit, name = self.scope.unit, reader(number)
        made = unit.subprograms.get(name)
        if made is None:
            result = unit.variable(f"@{name}", "value")
            result.type = U64
            offset = self.registers.offset(self.registers.stand_ins[number])
            body = [Assign(span, result, ContextField(U64, span, offset, 8))]
            made = Subprogram(name, span, U64, [], list(body), result, stand_in=True)
            unit.subprograms[name] = made
        return made
