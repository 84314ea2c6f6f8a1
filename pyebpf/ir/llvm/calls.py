"""Calls, maps and relocated kernel fields in LLVM text."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pyebpf.abi.helpers import HELPERS
from pyebpf.errors import InternalError
from pyebpf.ir import nodes
from pyebpf.ir.llvm.body import llvm_type
from pyebpf.ir.llvm.externs import argument_type, result_type
from pyebpf.spec.objects import CoreKind
from pyebpf.spec.types import Bool, Int

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.ir.llvm.body import Body
    from pyebpf.ir.nodes import Value

#: Helpers that give the same all through a run of a program: LLVM need not call them twice.
_STEADY = frozenset(
    {"get_current_pid_tgid", "get_current_uid_gid", "get_current_task", "get_current_task_btf"}
)
#: Kinds of arguments that helpers copy: they neither change nor keep what is there.
_COPIED = ("key", "value")


def call_helper(b: Body, instr: nodes.CallHelper) -> str:
    """Write a call of a BPF helper: to its number, with 64-bit arguments."""
    row = HELPERS.get(instr.helper)
    if row is None:
        raise InternalError(f"no BPF helper is called {instr.helper}")
    kinds = [parameter.kind for parameter in row.args]
    kinds += [""] * (len(instr.args) - len(kinds))  # some take more than their row says
    args = ", ".join(map(partial(_wide_argument, b), instr.args, kinds))
    kind = llvm_type(instr.type)
    known = " memory(none) willreturn" if instr.helper in _STEADY else ""
    callee = f"inttoptr (i64 {row.id} to ptr)({args}){known}"
    if kind in ("ptr", "void", "i64"):
        return _call(b, kind, callee)
    wide = b.op(f"call i64 {callee}")
    if isinstance(instr.type, Bool):
        return b.op(f"icmp ne i64 {wide}, 0")
    return b.resized(wide, 64, int(kind[1:]), signed=False)


def call_kfunc(b: Body, instr: nodes.CallKfunc) -> str:
    """Write a call of a kernel function, which the loader finds by name."""
    symbol = b.module.externs.function(instr, b.span.source)
    args = ", ".join(f"{argument_type(arg.type)} {b.value(arg)}" for arg in instr.args)
    return _call(b, result_type(instr), f"{symbol}({args})")


def kernel_symbol(b: Body, instr: nodes.KernelSymbol) -> str:
    """Return the address of a kernel variable, which the loader finds by name."""
    # Opaque: LLVM would take the address of something external for one that is never null.
    return b.opaque("ptr", b.module.externs.variable(instr))


def const_text(b: Body, instr: nodes.ConstText) -> str:
    """Return the address of a constant text."""
    return b.module.text(instr.text)


def _wide_argument(b: Body, arg: Value, kind: str) -> str:
    if llvm_type(arg.type) == "ptr":
        # So a key that two calls take is written once.
        known = "readonly captures(none) " if kind in _COPIED else ""
        return f"ptr {known}{b.value(arg)}"
    if isinstance(arg, nodes.Const):
        return f"i64 {arg.value}"
    return f"i64 {b.widened(arg)}"


def call_function(b: Body, instr: nodes.CallFunction) -> str:
    """Write a call of another function of the unit."""
    callee = b.module.functions.get(instr.function)
    if callee is None:
        raise InternalError(f"the unit has no function {instr.function}")
    args = ", ".join(b.typed(arg) for arg in instr.args)
    return _call(b, llvm_type(callee.result), f"@{instr.function}({args})")


def _call(b: Body, kind: str, callee: str) -> str:
    if not kind.endswith("void"):
        return b.op(f"call {kind} {callee}")
    b.do(f"call void {callee}")
    return ""


def map_handle(b: Body, instr: nodes.MapHandle) -> str:  # noqa: ARG001 (a handler)
    """Return the address of a map's definition; the loader replaces it by the map."""
    return f"@{instr.map.name}"


def func_addr(b: Body, instr: nodes.FuncAddr) -> str:  # noqa: ARG001 (a handler)
    """Return the address of a function of the unit."""
    return f"@{instr.function}"


def field_addr(b: Body, instr: nodes.FieldAddr) -> str:
    """Write the address of a kernel field, at an offset that the loader fills in."""
    base = b.value(instr.base)
    if not instr.path.steps:
        return base
    name, width = b.module.relocations.use(CoreKind.FIELD_BYTE_OFFSET, instr.path)
    offset = b.op(f"load i{width}, ptr {name}, align 8")
    return b.passthrough("ptr", b.op(f"getelementptr i8, ptr {base}, i64 {offset}"))


def core_value(b: Body, instr: nodes.CoreValue) -> str:
    """Write a number that the loader fills in."""
    name, width = b.module.relocations.use(instr.kind, instr.path, instr.enumerator)
    loaded = b.op(f"load i{width}, ptr {name}, align {width // 8}")
    number = b.passthrough(f"i{width}", loaded)
    if isinstance(instr.type, Bool):
        return b.op(f"icmp ne i{width} {number}, 0")
    assert isinstance(instr.type, Int), instr
    return b.resized(number, width, instr.type.bits, signed=instr.type.signed)


CALLS: dict[type[Value], Callable[[Body, Any], str]] = {
    nodes.CallHelper: call_helper,
    nodes.CallKfunc: call_kfunc,
    nodes.KernelSymbol: kernel_symbol,
    nodes.ConstText: const_text,
    nodes.CallFunction: call_function,
    nodes.MapHandle: map_handle,
    nodes.FuncAddr: func_addr,
    nodes.FieldAddr: field_addr,
    nodes.CoreValue: core_value,
}
