"""Calls of kernel functions, typed by the target's BTF."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.abi import kfuncs as abi
from pyebpf.abi.helpers import RELEASED_BY
from pyebpf.abi.kernel_contexts import kernel_context as kernel_struct
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.btf import types as btf
from pyebpf.btf.layout import c_name
from pyebpf.btf.types import Kind
from pyebpf.dsl import typed
from pyebpf.dsl.check.contexts.base import Context
from pyebpf.dsl.check.convert import need_number, need_value, to_bool, to_int
from pyebpf.dsl.check.pointers import as_pointer
from pyebpf.dsl.faults import Fault, Mismatch, WrongCall
from pyebpf.dsl.faults_kernel import NotReleased, UnknownSymbol
from pyebpf.dsl.symbols import Kfunc
from pyebpf.dsl.typed import Effect, Evaluate, Expr, Literal
from pyebpf.dsl.typed_kernel import ConstantText, ContextPointer, InMemory, KfuncCall
from pyebpf.dsl.types import (
    BOOL,
    NONE,
    U64,
    Array,
    Chars,
    Int,
    KernelRef,
    Maybe,
    NoneType,
    Pointer,
    Record,
    Space,
    Static,
    ValueType,
    shown,
)

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.kernel_types import Signature
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.unit import UnitState

_MAX_ARGUMENTS = 5
_TO_KERNEL = "bpf_cast_to_kern_ctx"


def call_kfunc(decl: Kfunc, node: ast.Call, scope: Scope) -> Expr:
    """Check a call of a kfunc."""
    span, name = scope.span(node), decl.name
    found = scope.unit.kernel.kfunc(name)
    if found is None:
        near = scope.unit.kernel.btf.similar(name, (Kind.FUNC,))
        close = f"; did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else ""
        raise Fault(UnknownSymbol(span, what="function for programs", name=name, close=close))
    if node.keywords:
        why = f"takes no argument called `{node.keywords[0].arg}`"
        raise Fault(WrongCall(span, name=name, why=why, advice="pass them by position"))
    arguments = _arguments(name, found, [scope.expr(arg) for arg in node.args], span, scope)
    scope.unit.note_call(name, span)
    kind = _result(name, found.result, scope)
    call = KfuncCall(kind, span, name, found.prototype, tuple(arguments))
    if isinstance(kind, NoneType):
        return Effect(NONE, span, Evaluate(span, call))
    return call


def _result(name: str, type_id: int, scope: Scope) -> ValueType:
    kernel = scope.unit.kernel
    if isinstance(kernel.btf.type(kernel.btf.skip(type_id)), btf.Void):
        return NONE
    kind = kernel.value(type_id, Space.BTF)
    assert kind is not None
    if isinstance(kind, Pointer) and name not in abi.NEVER_NULL:
        return Maybe(kind)
    return kind


def _arguments(
    name: str, found: Signature, given: list[Expr], span: Span, scope: Scope
) -> list[Expr]:
    params = list(found.params)
    sizes = [i for i, p in enumerate(params) if p.name.endswith(abi.SIZE_SUFFIXES)]
    wanted = [p for i, p in enumerate(params) if i not in sizes]
    if len(given) != len(wanted):
        shown = ", ".join(_shown(p, scope) for p in wanted)
        why = f"takes {len(wanted)} argument{'s' * (len(wanted) != 1)}, got {len(given)}"
        raise Fault(WrongCall(span, name=name, why=why, advice=f"its arguments: {shown or 'none'}"))
    if len(params) > _MAX_ARGUMENTS:
        raise Fault(WrongCall(span, name=name, why="takes more than five arguments"))
    out: list[Expr] = []
    rest = iter(given)
    for number, param in enumerate(params):
        if number in sizes:
            out.append(_size_of(out[-1], param, scope))
        else:
            expr = next(rest)
            if _is_context(param, expr, scope):
                out.append(ContextPointer(Pointer(Space.CTX), expr.span))
                continue
            sized = number + 1 in sizes
            out.append(_argument(name, param, expr, sized=sized, scope=scope))
    return out


def _shown(param: btf.Param, scope: Scope) -> str:
    kind = c_name(scope.unit.kernel.btf, param.type)
    return f"{kind}{'' if kind.endswith('*') else ' '}{param.name}".strip()


def _size_of(memory: Expr, param: btf.Param, scope: Scope) -> Expr:
    size = 0
    if isinstance(memory, InMemory):
        have = memory.value.type
        size = getattr(have.to if isinstance(have, Pointer) else have, "size", 0)
    kind = scope.unit.kernel.value(param.type, Space.KERNEL)
    return Literal(kind if isinstance(kind, Int) else U64, memory.span, size)


def _argument(name: str, param: btf.Param, expr: Expr, *, sized: bool, scope: Scope) -> Expr:
    kernel = scope.unit.kernel
    if param.name.endswith(abi.REFUSED_SUFFIXES):
        why = f"has the parameter `{param.name}`, which needs what the language does not have"
        raise Fault(WrongCall(expr.span, name=name, why=why))
    node = kernel.btf.type(kernel.btf.skip(param.type))
    if not isinstance(node, btf.Ptr):
        return _number(name, param, expr, scope)
    if isinstance(expr.type, NoneType):
        if not (param.name.endswith(abi.NULLABLE_SUFFIXES) or sized):
            raise Fault(Mismatch(expr.span, expected=f"`{_shown(param, scope)}`", got="None"))
        return typed.Cast(Pointer(Space.KERNEL), expr.span, Literal(U64, expr.span, 0))
    if param.name.endswith(abi.TEXT_SUFFIX):
        if not isinstance(expr, typed.Text):
            raise Fault(Mismatch(expr.span, expected="a constant text", got=shown(expr.type)))
        return ConstantText(Pointer(Space.MAP), expr.span, expr.value)
    expr = as_pointer(need_value(expr), scope)
    if in_own_memory(expr):
        return by_address(expr)
    if param.name.endswith(abi.IGNORED_SUFFIX):
        return typed.Cast(Pointer(Space.KERNEL), expr.span, need_number(expr))
    return _object(name, param, node, expr, scope)


def _is_context(param: btf.Param, expr: Expr, scope: Scope) -> bool:
    """Tell whether a parameter takes the context of the program, and is given it."""
    given = expr.type.value if isinstance(expr.type, Static) else None
    types = scope.unit.kernel.btf
    node = types.type(types.skip(param.type))
    if not isinstance(given, Context) or not isinstance(node, btf.Ptr):
        return False
    return PROGRAM_KINDS[scope.unit.hook_kind].context == types.name(types.skip(node.type))


def in_own_memory(expr: Expr) -> bool:
    """Tell whether a value can be passed by the address of a copy."""
    kind = expr.type
    if isinstance(kind, Pointer):
        own = kind.space in (Space.MAP, Space.RING, Space.STACK)
        return own and isinstance(kind.to, Record)
    return isinstance(kind, (Chars, Record, Array)) or isinstance(expr, typed.Text)


def by_address(expr: Expr) -> InMemory:
    """Return the address of a copy of a value."""
    if isinstance(expr, typed.Text):
        size = len(expr.value.encode()) + 1
        expr = typed.TextData(Chars(size), expr.span, expr.value)
    return InMemory(Pointer(Space.STACK), expr.span, expr)


def _number(name: str, param: btf.Param, expr: Expr, scope: Scope) -> Expr:
    kind = scope.unit.kernel.value(param.type, Space.KERNEL)
    number = need_number(need_value(expr))
    if param.name.endswith(abi.CONSTANT_SUFFIX) and not isinstance(number, Literal):
        raise Fault(Mismatch(expr.span, expected="a constant number", got=shown(expr.type)))
    if kind == BOOL:
        return to_bool(number)
    if not isinstance(kind, Int):
        why = f"has the parameter `{_shown(param, scope)}`, which a probe cannot hold"
        raise Fault(WrongCall(expr.span, name=name, why=why))
    return to_int(number, kind)


def _object(name: str, param: btf.Param, node: btf.Ptr, expr: Expr, scope: Scope) -> Expr:
    kernel = scope.unit.kernel
    wanted = kernel.pointer(node.type, Space.BTF)
    if not isinstance(expr.type, Pointer):
        expected = f"`{_shown(param, scope)}`"
        raise Fault(Mismatch(expr.span, expected=expected, got=shown(expr.type)))
    have = expr.type
    is_void = isinstance(kernel.btf.type(kernel.btf.skip(node.type)), btf.Void)
    if not is_void and _plain(wanted.to) not in _names_at_start(have.to, scope):
        expected = f"`{_shown(param, scope)}`"
        raise Fault(Mismatch(expr.span, expected=expected, got=shown(have.to)))
    if have.space is not Space.BTF and kernel.has_members(KernelRef(node.type, "")):
        raise Fault(
            Mismatch(
                expr.span,
                expected=f"a pointer that the kernel vouches for, as {name} takes",
                got="an address",
                advice="pass an argument of the probe, current_task(), or what a kfunc gave; "
                "what comes out of a map, a cast or a read is only a number to the kernel",
            )
        )
    return expr


def _names_at_start(to: object, scope: Scope) -> list[str]:
    """Return the names of a struct and of those that it begins with; a pointer to one fits all."""
    names = [_plain(to)]
    kernel = scope.unit.kernel.btf
    node = kernel.type(kernel.skip(to.id)) if isinstance(to, KernelRef) else None
    while isinstance(node, btf.Struct) and node.members and not node.members[0].bit_offset:
        node = kernel.type(kernel.skip(node.members[0].type))
        names.append(str(getattr(node, "name", "")))
    return names


def _plain(to: object) -> str:
    return str(to).removeprefix("struct ").removeprefix("union ").partition("___")[0]


def has_kfunc(node: ast.Call, scope: Scope) -> Expr:
    """Check ``has_kfunc(declaration)``."""
    args = [scope.expr(arg) for arg in node.args]
    decl = args[0].type.value if len(args) == 1 and isinstance(args[0].type, Static) else None
    if not isinstance(decl, Kfunc) or node.keywords:
        raise Fault(WrongCall(scope.span(node), name="has_kfunc", why="takes one kfunc"))
    found = scope.unit.kernel.kfunc(decl.name) is not None
    scope.unit.note_choice(f"{'has' if found else 'has no'} {decl.name}")
    return Literal(BOOL, scope.span(node), found)


def check_releases(program: str, unit: UnitState) -> None:
    """Report what a program takes and nowhere gives back; the verifier would not say where."""
    calls = unit.calls.get(program, [])
    names = {name for name, _ in calls}
    for name, span in calls:
        partner = abi.PAIRS.get(name) or RELEASED_BY.get(name)
        if partner is not None and partner not in names:
            unit.diagnostics.report(NotReleased(span, name=name, partner=partner))


def kernel_context(node: ast.Call, scope: Scope) -> Expr:
    """Check ``kernel_context(ctx)``.

    Raises:
        Fault: there is no such structure behind the context, or the target cannot give it.
    """
    span, name = scope.span(node), "kernel_context"
    args = [scope.expr(arg) for arg in node.args]
    given = args[0].type.value if len(args) == 1 and isinstance(args[0].type, Static) else None
    if not isinstance(given, Context) or node.keywords:
        raise Fault(WrongCall(span, name=name, why="takes the probe's context"))
    struct = kernel_struct(PROGRAM_KINDS[scope.unit.hook_kind])
    found = scope.unit.kernel.find(struct) if struct else None
    if found is None:
        why = f"has nothing to show behind the context of a {scope.unit.hook_kind} program"
        raise Fault(WrongCall(span, name=name, why=why))
    signature = scope.unit.kernel.kfunc(_TO_KERNEL)
    if signature is None:
        raise Fault(UnknownSymbol(span, what="function for programs", name=_TO_KERNEL))
    scope.unit.note_call(_TO_KERNEL, span)
    kind = scope.unit.kernel.pointer(found.id, Space.BTF)
    context = ContextPointer(Pointer(Space.CTX), args[0].span)
    return KfuncCall(kind, span, _TO_KERNEL, signature.prototype, (context,))
