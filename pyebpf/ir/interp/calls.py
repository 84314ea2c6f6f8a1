"""Calls: of helpers, and of functions of the unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.ir import nodes
from pyebpf.ir.interp.faults import ProbeFault
from pyebpf.ir.interp.numbers import wrapped
from pyebpf.ir.types import VOID, Pointer

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.ir.interp.code import Code, Frame, Operation
    from pyebpf.ir.nodes import Value


def call_helper(code: Code, instr: nodes.CallHelper) -> Operation:
    """Make the call of a helper."""
    helper, machine = code.machine.helper(instr), code.machine
    args = [code.place(arg) for arg in instr.args]
    kind = instr.type
    if kind == VOID:
        return lambda r: helper(machine, [r[arg] for arg in args], instr)
    to = code.place(instr)

    def do(r: Frame) -> None:
        r[to] = wrapped(kind, helper(machine, [r[arg] for arg in args], instr))

    return do


def call_kfunc(code: Code, instr: nodes.CallKfunc) -> Operation:
    """Make the call of a kernel function, which a test supplies like a helper.

    Without that, one that gives a pointer finds nothing, and one that gives nothing does nothing.
    """
    machine, kind = code.machine, instr.type
    args = [code.place(arg) for arg in instr.args]
    to = None if kind == VOID else code.place(instr)
    call = nodes.CallHelper(kind, instr.span, instr.name, instr.args)

    def do(r: Frame) -> None:
        given = machine.given.get(instr.name)
        if given is None and to is not None and not isinstance(kind, Pointer):
            why = f"kernel function `{instr.name}` is not simulated; supply it: t.set(…)"
            raise ProbeFault(why, instr.span)
        result = given(machine, [r[arg] for arg in args], call) if given is not None else 0
        if to is not None:
            r[to] = wrapped(kind, result)

    return do


def kernel_symbol(code: Code, instr: nodes.KernelSymbol) -> Operation:
    """Make the address of a kernel variable; all of it is 0."""
    address, to = code.machine.kernel_variable(instr), code.place(instr)

    def do(r: Frame) -> None:
        r[to] = address

    return do


def const_text(code: Code, instr: nodes.ConstText) -> Operation:
    """Make the address of a constant text."""
    data = bytearray(instr.text.encode() + b"\0")
    base = code.machine.memory.add(data, "a constant text", writable=False).base
    to = code.place(instr)

    def do(r: Frame) -> None:
        r[to] = base

    return do


def call_function(code: Code, instr: nodes.CallFunction) -> Operation:
    """Make the call of a function of the unit."""
    machine, name = code.machine, instr.function
    args = [code.place(arg) for arg in instr.args]
    to = None if instr.type == VOID else code.place(instr)

    def do(r: Frame) -> None:
        result = machine.code(name).run(tuple(r[arg] for arg in args))
        if to is not None:
            r[to] = result

    return do


def func_addr(code: Code, instr: nodes.FuncAddr) -> Operation:
    """Make a function as an argument."""
    address, to = code.machine.function_address(instr.function), code.place(instr)

    def do(r: Frame) -> None:
        r[to] = address

    return do


def map_handle(code: Code, instr: nodes.MapHandle) -> Operation:
    """Make a map as an argument."""
    handle, to = code.machine.table(instr.map).handle, code.place(instr)

    def do(r: Frame) -> None:
        r[to] = handle

    return do


CALLS: dict[type[Value], Callable[[Code, Any], Operation]] = {
    nodes.CallHelper: call_helper,
    nodes.CallKfunc: call_kfunc,
    nodes.KernelSymbol: kernel_symbol,
    nodes.ConstText: const_text,
    nodes.CallFunction: call_function,
    nodes.FuncAddr: func_addr,
    nodes.MapHandle: map_handle,
}
