"""Variables of the kernel: found in the target's BTF, or by their address."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.btf import types as btf
from pyebpf.btf.types import Kind
from pyebpf.dsl.annotations import data_type
from pyebpf.dsl.check.convert import need_number, need_value, to_int
from pyebpf.dsl.check.pointers import pointer_type
from pyebpf.dsl.check.scope import closest
from pyebpf.dsl.faults import Fault, Mismatch, UnknownField, UnknownType, WrongCall
from pyebpf.dsl.faults_kernel import NeedsFeature, UnknownSymbol
from pyebpf.dsl.symbols import KernelVariable
from pyebpf.dsl.typed import Expr, Literal, Truth
from pyebpf.dsl.typed_kernel import MemoryRead, PerCpu, VariableAddress
from pyebpf.dsl.types import (
    BOOL,
    Address,
    Bool,
    Int,
    KernelRef,
    Maybe,
    Place,
    Pointer,
    Record,
    Space,
    Static,
    ValueType,
)
from pyebpf.kernel import KernelType
from pyebpf.plain import Frozen
from pyebpf.spec.types import U32

if TYPE_CHECKING:
    from typing import Any

    from pyebpf.btf import Btf
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope

_PER_CPU_SECTION = ".data..percpu"
_VERBS = ("on_cpu", "this_cpu", "value")


class Found(Frozen):
    """A variable in the target's BTF: its type's id, what reading it gives, once per CPU or not."""

    declared: int
    type: ValueType
    per_cpu: bool


def _find(decl: KernelVariable[Any], span: Span, scope: Scope) -> Found | None:
    kernel = scope.unit.kernel
    numbers = kernel.btf.find_all(decl.name, Kind.VAR)
    if not numbers:
        return None
    if scope.unit.target.lacks("kallsyms_all"):
        advice = "the kernel knows its own variables only if it lists their symbols"
        what, feature = f"the variable {decl.name}", "kallsyms_all"
        raise Fault(NeedsFeature(span, what=what, feature=feature, since="2.6", advice=advice))
    node = kernel.btf.type(numbers[0])
    assert isinstance(node, btf.Var)
    kind = kernel.value(node.type, Space.BTF)
    if isinstance(kind, Place):
        kind = Pointer(Space.BTF, kernel.struct(node.type))
    if not isinstance(kind, (Int, Bool, Pointer)):
        why = f"is of the type `{kernel.spelling(node.type)}`, which a probe cannot hold"
        raise Fault(WrongCall(span, name=decl.name, why=why))
    _check_declared(decl, kind, kernel.spelling(node.type), span)
    return Found(node.type, kind, _is_per_cpu(numbers[0], kernel.btf))


def _is_per_cpu(number: int, kernel: Btf) -> bool:
    sections = [kernel.type(n) for n in kernel.find_all(_PER_CPU_SECTION, Kind.DATASEC)]
    inside = {v.type for s in sections if isinstance(s, btf.DataSec) for v in s.vars}
    return number in inside or not sections


def _check_declared(decl: KernelVariable[Any], kind: ValueType, actual: str, span: Span) -> None:
    hint = decl.type_argument()
    declared = data_type(hint)
    if isinstance(hint, KernelType):
        name = str(getattr(kind, "to", "")).rpartition(" ")[2]
        fits = isinstance(kind, Pointer) and name == hint.kernel_name.partition("___")[0]
    elif isinstance(declared, Int):
        fits = isinstance(kind, Int) and kind.bits == declared.bits
    else:
        fits = declared is None or isinstance(declared, (Address, Bool)) == isinstance(
            kind, (Pointer, Bool)
        )
    if not fits:
        got = str(declared) if declared is not None else getattr(hint, "__name__", str(hint))
        raise Fault(Mismatch(span, expected=f"`{actual}`, as the kernel declares it", got=got))


def variable_value(decl: KernelVariable[Any], node: ast.Attribute, scope: Scope) -> Expr:
    """Check ``variable.value``."""
    span = scope.span(node)
    if node.attr != "value":
        close = closest(node.attr, _VERBS) or f"; it has {', '.join(_VERBS)}"
        raise Fault(
            UnknownField(
                scope.name_span(node),
                type="KernelVariable",
                name=node.attr,
                close=close,
                what="attribute",
            )
        )
    found = _find(decl, span, scope)
    if found is None:
        return _by_address(decl, span, scope)
    if found.per_cpu:
        why = "exists once for each CPU"
        advice = f"write `{ast.unparse(node.value)}.this_cpu()` or `.on_cpu(n)`"
        raise Fault(WrongCall(span, name=decl.name, why=why, advice=advice))
    space = Space.BTF
    if isinstance(found.type, Pointer) and isinstance(found.type.to, KernelRef):
        return VariableAddress(found.type, span, decl.name, found.declared)
    place = VariableAddress(Pointer(space), span, decl.name, found.declared)
    return MemoryRead(found.type, span, space, place)


def _by_address(decl: KernelVariable[Any], span: Span, scope: Scope) -> Expr:
    hint = decl.type_argument()
    kernel = scope.unit.kernel
    if isinstance(hint, KernelType):
        ref = kernel.find(hint.kernel_name)
        if ref is None:
            raise Fault(UnknownType(span, name=hint.kernel_name))
        return VariableAddress(kernel.pointer(ref.id, Space.KERNEL), span, decl.name, 0)
    kind: Any = data_type(hint)
    if isinstance(kind, Address):
        kind = pointer_type(kind, span, scope)
    place = VariableAddress(Pointer(Space.KERNEL), span, decl.name, 0)
    if not isinstance(kind, (Int, Bool, Pointer, Record)):
        why = "is not in the kernel's BTF, so its declaration has to say its type"
        advice = f'write KernelVariable[u64]("{decl.name}")'
        raise Fault(WrongCall(span, name=decl.name, why=why, advice=advice))
    return MemoryRead(kind, span, Space.KERNEL, place)


def variable_call(decl: KernelVariable[Any], node: ast.Call, scope: Scope) -> Expr:
    """Check ``variable.this_cpu()`` and ``variable.on_cpu(number)``."""
    assert isinstance(node.func, ast.Attribute)
    span, verb = scope.span(node), node.func.attr
    if verb not in ("this_cpu", "on_cpu"):
        why, advice = "is no method of a KernelVariable", f"it has {', '.join(_VERBS)}"
        raise Fault(WrongCall(span, name=verb, why=why, advice=advice))
    count = int(verb == "on_cpu")
    if len(node.args) != count or node.keywords:
        why = "takes the number of a CPU" if count else "takes no arguments"
        raise Fault(WrongCall(span, name=verb, why=why))
    found = _find(decl, span, scope)
    if found is None:
        near = scope.unit.kernel.btf.similar(decl.name, (Kind.VAR,))
        close = f"; did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else ""
        raise Fault(UnknownSymbol(span, what="per-CPU variable", name=decl.name, close=close))
    if not found.per_cpu:
        why, advice = "exists once, not for each CPU", "write `.value`"
        raise Fault(WrongCall(span, name=decl.name, why=why, advice=advice))
    variable = VariableAddress(Pointer(Space.BTF), span, decl.name, found.declared)
    if not count:
        return PerCpu(found.type, span, variable, None)
    cpu = to_int(need_number(need_value(scope.expr(node.args[0]))), U32)
    assert isinstance(found.type, (Int, Bool, Pointer))
    return PerCpu(Maybe(found.type), span, variable, cpu)


def has_variable(node: ast.Call, scope: Scope) -> Expr:
    """Check ``has_variable(declaration)``."""
    args = [scope.expr(arg) for arg in node.args]
    decl = args[0].type.value if len(args) == 1 and isinstance(args[0].type, Static) else None
    span = scope.span(node)
    if not isinstance(decl, KernelVariable) or node.keywords:
        raise Fault(WrongCall(span, name="has_variable", why="takes one KernelVariable"))
    if scope.unit.kernel.btf.find_all(decl.name, Kind.VAR):
        if scope.unit.target.lacks("kallsyms_all"):
            scope.unit.note_choice(f"the variable {decl.name} cannot be found")
            return Literal(BOOL, span, False)
        scope.unit.note_choice(f"has the variable {decl.name}")
        return Literal(BOOL, span, True)
    place = VariableAddress(Pointer(Space.KERNEL), span, decl.name, 0, weak=True)
    return Truth(BOOL, span, place)
