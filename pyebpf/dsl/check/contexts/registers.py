"""Probes that get the registers: arguments and results as the machine passes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.abi.registers import REGISTERS, Registers
from pyebpf.dsl.annotations import data_type
from pyebpf.dsl.check.contexts.arguments import RESULT, argument_type
from pyebpf.dsl.check.contexts.base import (
    Context,
    Given,
    bad_argument,
    one_context,
)
from pyebpf.dsl.check.convert import literal, to_bool, to_int
from pyebpf.dsl.check.kernel_types import Argument, Prototype
from pyebpf.dsl.check.number import arithmetic
from pyebpf.dsl.check.pointers import pointer_type
from pyebpf.dsl.check.scope import closest
from pyebpf.dsl.faults import Fault, UnknownField
from pyebpf.dsl.scalars import KprobeContext, PerfEventContext, UprobeContext
from pyebpf.dsl.typed import Cast, Expr, Object, Parameter
from pyebpf.dsl.typed_context import ContextField
from pyebpf.dsl.typed_kernel import MemoryRead
from pyebpf.dsl.types import U64, Address, Bool, Int, Space, Static, ValueType
from pyebpf.errors import NotSupportedError
from pyebpf.ir.nodes import BinaryOp
from pyebpf.spec.patterns import is_pattern

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.probes import Hook

_RETURNS = ("kretprobe", "uretprobe", "kretsyscall")


class RegisterContext(Context):
    """The registers by name; ``ip`` and ``sp`` are there on every machine."""

    cls: type
    registers: Registers
    #: What lies behind the registers: name and offset of 64-bit numbers.
    more: tuple[tuple[str, int], ...] = ()

    def attribute(self, name: str, span: Span, scope: Scope) -> Expr:
        own = {"ip": self.registers.ip, "sp": self.registers.sp}.get(name, name)
        extra = dict(self.more)
        if own in self.registers.names:
            return ContextField(U64, span, self.registers.offset(own), 8)
        if name in extra:
            return ContextField(U64, span, extra[name], 8)
        names = [*self.registers.names, "ip", "sp", *extra]
        near = closest(name, names) or f"; it has {', '.join(names)}"
        raise Fault(UnknownField(span, type=self.cls.__name__, name=name, close=near))


def registers_of(scope: Scope) -> Registers:
    """Return the registers of the target's machine.

    Raises:
        NotSupportedError: this package does not know the machine, or nothing tells which it is.
    """
    machine = scope.unit.target.machine
    found = REGISTERS.get(machine)
    if found is None:
        known = " and ".join(REGISTERS)
        raise NotSupportedError(f"the registers of {machine} are not known, those of {known} are")
    return found


def register_context(hook: Hook, given: list[Given], wanted: type, scope: Scope) -> list[Given]:
    """Give a probe the registers as its first parameter, if it asks; return the other ones."""
    # Whatever is no type of an argument should be the context.
    first = [item for item in given[:1] if data_type(item.hint) is None]
    one_context(first, wanted, scope, hook)
    for item in first:
        context = RegisterContext(wanted, registers_of(scope))
        scope.arguments[item.name] = Object(Static(context), scope.span(item.node))
    return given[len(first) :]


def register_arguments(hook: Hook, given: list[Given], scope: Scope) -> tuple[str, list[Parameter]]:
    """Give a probe its context, if it asks for it, then the function's arguments or ``ret``."""
    registers, row = registers_of(scope), PROGRAM_KINDS[hook.kind]
    wanted = UprobeContext if hook.kind.startswith(("uprobe", "uretprobe")) else KprobeContext
    rest = register_context(hook, given, wanted, scope)
    maker = RegisterArguments(hook, registers, scope)
    parameters = [maker.parameter(number, item) for number, item in enumerate(rest)]
    return f"{row.sections[0]}{hook.target}", parameters


class RegisterArguments:
    """Parameters that are values of registers, with the types that the probe declares.

    Attributes:
        truth: the part of a value that a truth value is in.
    """

    truth: ClassVar[Int] = Int(8)

    def __init__(self, hook: Hook, registers: Registers, scope: Scope) -> None:
        self.hook, self.registers, self.scope = hook, registers, scope
        self.base = hook.kind.removesuffix(".s").partition(".")[0]
        self.known: Prototype | None = None
        if self.base in ("kprobe", "kretprobe") and not is_pattern(hook.target):
            name = hook.target.partition("+")[0]
            self.known = scope.unit.kernel.function(name, Space.KERNEL)

    def parameter(self, number: int, item: Given) -> Parameter:
        """Return one parameter; ``number`` counts from the first after the context."""
        scope = self.scope
        self.check(number, item)
        actual, kind = self._types(number, item)
        variable = scope.variable(item.name)
        value = self.value(number, item, actual)
        if isinstance(kind, Int):
            variable.fixed, variable.range = kind, (kind.low, kind.high)
            value = to_int(value, kind)
        elif isinstance(kind, Bool):
            value = to_bool(to_int(value, self.truth))
        elif actual != kind:
            value = Cast(kind, value.span, value)
        variable.type = kind
        scope.flow = scope.flow.assign(item.name, present=True)
        return Parameter(variable, value)

    def check(self, number: int, item: Given) -> None:
        """Refuse a parameter that nothing is passed for."""
        self._register(number, item)

    def value(self, number: int, item: Given, kind: ValueType) -> Expr:
        """Return what is passed, before it has the declared width."""
        offset = self.registers.offset(self._register(number, item))
        span = self.scope.span(item.node)
        if self.base != "ksyscall":
            return ContextField(kind, span, offset, 8)
        # The kernel's function gets the registers of the process as its only argument.
        there = self.registers.offset(self.registers.arguments[0])
        inside = ContextField(U64, span, there, 8)
        address = arithmetic(BinaryOp.ADD, inside, literal(offset, span), span)
        return MemoryRead(kind, span, Space.KERNEL, address)

    def _register(self, number: int, item: Given) -> str:
        if self.base in _RETURNS:
            if number or item.name != RESULT:
                why = f"a {self.base} gets the result, as `{RESULT}`, and no arguments"
                raise bad_argument(item, why, "i64", self.scope)
            return self.registers.result
        names = self.registers.arguments
        if self.base == "ksyscall":
            names = self.registers.syscall_arguments
        elif dict(self.hook.at).get("abi") == "go":
            names = self.registers.go_arguments
        if number >= len(names):
            why = f"only the first {len(names)} arguments are in registers"
            raise bad_argument(item, why, "u64", self.scope)
        return names[number]

    def _types(self, number: int, item: Given) -> tuple[ValueType, ValueType]:
        """Return what is read, and what the probe sees."""
        if self.known is not None:
            given = self._argument(self.known, number)
            return argument_type(self.hook, item, given, self.known, self.scope)
        declared: Any = data_type(item.hint)
        if isinstance(declared, Address):
            user = self.base in ("uprobe", "uretprobe", "usdt", "ksyscall")
            span = self.scope.span(item.node)
            return U64, pointer_type(declared, span, self.scope, user=user)
        if isinstance(declared, (Int, Bool)):
            return U64, declared
        raise bad_argument(item, "no type that a register holds", "u64", self.scope)

    def _argument(self, known: Prototype, number: int) -> Argument | None:
        if self.base in _RETURNS:
            return known.result
        return known.arguments[number] if number < len(known.arguments) else None


def perf_event(hook: Hook, given: list[Given], scope: Scope) -> tuple[str, list[Parameter]]:
    """Give a probe what a perf event saw: registers, period, address."""
    registers = registers_of(scope)
    one_context(given, PerfEventContext, scope, hook)
    size = 8 * len(registers.names)
    context = RegisterContext(
        PerfEventContext, registers, (("sample_period", size), ("addr", size + 8))
    )
    for item in given:
        scope.arguments[item.name] = Object(Static(context), scope.span(item.node))
    return "perf_event", []
