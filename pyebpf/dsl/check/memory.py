"""Reads of memory, and questions about kernel types: the functions of ``pyebpf.dsl.access``."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed
from pyebpf.dsl.check.contexts import DynamicArray
from pyebpf.dsl.check.convert import literal, need_number, need_value, to_data
from pyebpf.dsl.check.pointers import as_pointer, cast_to, no_type, pointer_type, type_argument
from pyebpf.dsl.check.scope import closest
from pyebpf.dsl.check.views import view
from pyebpf.dsl.faults import Fault, Mismatch, UnknownField, UnknownType, WrongCall
from pyebpf.dsl.faults_kernel import NeedsFeature
from pyebpf.dsl.typed import Expr, Literal, RecordField, Variable
from pyebpf.dsl.typed_kernel import (
    After,
    ContainerOf,
    ContextAddress,
    CoreAnswer,
    DynamicText,
    MemoryRead,
    MemoryText,
    PlaceAddress,
    StructCopy,
)
from pyebpf.dsl.types import (
    BOOL,
    COPIES,
    I64,
    U64,
    Address,
    Bool,
    Chars,
    Int,
    KernelRef,
    Maybe,
    NoneType,
    Pointer,
    Record,
    Space,
    Static,
    Tuple,
    shown,
)
from pyebpf.ir.nodes import FieldPath, IndexStep, MemberStep, Step
from pyebpf.kernel import KernelType
from pyebpf.spec.objects import CoreKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope

_OTHER = {Space.KERNEL: Space.USER, Space.USER: Space.KERNEL}
_NAMES = {Space.KERNEL: "read_kernel", Space.USER: "read_user"}
_MAX_TEXT = 4096


def _count(node: ast.Call, name: str, counts: tuple[int, ...], scope: Scope) -> None:
    if node.keywords or len(node.args) not in counts:
        wanted = " or ".join(map(str, counts))
        why = f"takes {wanted} argument{'s' * (wanted != '1')} by position"
        raise Fault(WrongCall(scope.span(node), name=name, why=why))


def _address(node: ast.expr, space: Space, name: str, scope: Scope) -> Expr:
    """Check an argument that is an address in a space."""
    return _address_of(need_value(scope.expr(node)), space, name, scope)


def _address_of(value: Expr, space: Space, name: str, scope: Scope) -> Expr:
    expr = as_pointer(value, scope)
    if isinstance(expr.type, Pointer):
        have = expr.type.space
        wrong = have is _OTHER[space] or (space is Space.USER and have is Space.BTF)
        if wrong or have not in (Space.KERNEL, Space.USER, Space.BTF):
            where = "a process" if have is Space.USER else "the kernel"
            other = name.replace(space.value, _OTHER[space].value)
            advice = f"use {other}" if have in (*_OTHER, Space.BTF) else "read it as a variable"
            expected = f"an address for {name}"
            got = f"a pointer into {where}" if advice.startswith("use") else str(expr.type)
            raise Fault(Mismatch(expr.span, expected=expected, got=got, advice=advice))
        return expr
    return need_number(expr)


def _need_helper(helper: str, name: str, node: ast.Call, scope: Scope) -> None:
    if scope.unit.target.lacks(f"helper:{helper}"):
        raise Fault(
            NeedsFeature(scope.span(node), what=name, feature=f"helper:{helper}", since="5.5")
        )


def _read(space: Space) -> Callable[[ast.Call, Scope], Expr]:
    name = _NAMES[space]

    def check(node: ast.Call, scope: Scope) -> Expr:
        optional = _is_optional(node, name, scope)
        hint, kind = type_argument(node.args[0], scope)
        if isinstance(kind, Chars):
            span, advice = scope.span(node), f"use {name}_str(address, size)"
            raise Fault(WrongCall(span, name=name, why="reads no text", advice=advice))
        struct = _struct(hint, node.args[0], scope) if kind is None else None
        if kind is None and struct is None:
            raise no_type(node.args[0], hint, scope)
        _need_helper(f"probe_{name}", name, node, scope)
        if struct is not None:
            return _copied(struct, _address(node.args[1], space, name, scope), space, node, scope)
        read = _value(kind, _address(node.args[1], space, name, scope), space, node, scope)
        return _or_none(read) if optional else read

    return check


def _struct(hint: Any, node: ast.expr, scope: Scope) -> KernelRef | None:
    """Return the struct of the kernel's that a type argument names; None if it names none."""
    if not isinstance(hint, KernelType):
        return None
    found = need_type(node, scope)
    return found if scope.unit.kernel.has_members(found) else None


def _copied(struct: KernelRef, address: Expr, space: Space, node: ast.Call, scope: Scope) -> Expr:
    kind = Pointer(Space.COPY if space is Space.USER else Space.STACK, struct)
    read = StructCopy(kind, scope.span(node), space, address, scope.unit.kernel.size(struct))
    return _or_none(read) if _is_optional(node, _NAMES[space], scope) else read


def _is_optional(node: ast.Call, name: str, scope: Scope) -> bool:
    words = [keyword.arg for keyword in node.keywords]
    count = len(node.args) + len(words)
    if len(node.args) < 2 or count > 3 or words not in ([], ["default"]):
        why = "takes a type, an address, and None if that shall be the result of a failure"
        raise Fault(WrongCall(scope.span(node), name=name, why=why))
    given = node.args[2:] or [keyword.value for keyword in node.keywords]
    for extra in given:
        if not isinstance(scope.expr(extra).type, NoneType):
            why = "takes None as the default, and nothing else"
            advice = f"write `value = {name}(…, None)`, and test it"
            raise Fault(WrongCall(scope.span(extra), name=name, why=why, advice=advice))
    return bool(given)


def _value(kind: Any, address: Expr, space: Space, node: ast.Call, scope: Scope) -> Expr:
    span = scope.span(node)
    if isinstance(kind, Address):
        kind = pointer_type(kind, span, scope, user=space is Space.USER)
    read = MemoryRead(kind, span, space, address)
    return _as_tuple(read) if isinstance(kind, Record) and kind.is_tuple else read


def _or_none(read: Expr) -> Expr:
    kind = read.type
    if not isinstance(read, MemoryRead) or not isinstance(kind, (Int, Bool, Pointer)):
        name, why = "default=None", "is for numbers and pointers; all fields are 0 after a failure"
        advice = "test the address before, or read one of the fields with None"
        raise Fault(WrongCall(read.span, name=name, why=why, advice=advice))
    return MemoryRead(Maybe(kind), read.span, read.space, read.address)


def _as_tuple(read: MemoryRead) -> Expr:
    """Return the items of a tuple, each out of one copy that is made before the first."""
    kind, span = read.type, read.span
    assert isinstance(kind, Record)
    kept = Variable("", kind)
    again = typed.Read(kind, span, kept)
    items: list[Expr] = [RecordField(f.type, span, again, f) for f in kind.fields]
    items[0] = After(items[0].type, span, [typed.Assign(span, kept, read)], items[0])
    return typed.Pack(Tuple(tuple(item.type for item in items)), span, tuple(items))


def _read_str(space: Space) -> Callable[[ast.Call, Scope], Expr]:
    name = f"{_NAMES[space]}_str"

    def check(node: ast.Call, scope: Scope) -> Expr:
        _count(node, name, (2,), scope)
        given = need_value(scope.expr(node.args[0]))
        is_text = isinstance(given.type, Chars)
        address = given if is_text else _address_of(given, space, name, scope)
        size = scope.expr(node.args[1])
        if not isinstance(size, Literal) or not 0 < int(size.value) <= _MAX_TEXT:
            expected = f"a constant size from 1 to {_MAX_TEXT} bytes"
            got = str(getattr(size, "value", size.type))
            raise Fault(Mismatch(size.span, expected=expected, got=got))
        kind = Chars(int(size.value))
        if isinstance(given, DynamicText):  # all of it, not only what is read of its own accord
            return DynamicText(kind, given.span, given.word, given.after)
        if is_text:
            return to_data(given, kind)
        _need_helper(f"probe_{name}", name, node, scope)
        return MemoryText(kind, scope.span(node), space, address)

    return check


def _cast(node: ast.Call, scope: Scope) -> Expr:
    _count(node, "cast", (2,), scope)
    hint, kind = type_argument(node.args[0], scope)
    return cast_to(hint, kind, scope.expr(node.args[1]), node, scope)


def _addressof(node: ast.Call, scope: Scope) -> Expr:
    _count(node, "addressof", (1,), scope)
    expr, span = scope.expr(node.args[0]), scope.span(node)
    if isinstance(expr, typed.KernelPlace):
        assert isinstance(expr.base.type, Pointer)
        leaf, space = expr.path.steps[-1].type, expr.base.type.space
        space = Space.KERNEL if space in COPIES else space
        kernel = scope.unit.kernel
        named = kernel.has_members(leaf)  # and not behind a typedef, as pointers are compared
        kind = kernel.pointer(leaf.id, space) if named else Pointer(space, leaf)
        return PlaceAddress(kind, span, expr.base, expr.path)
    if isinstance(expr, typed.KernelRead) and not expr.bits:
        assert isinstance(expr.base.type, Pointer)
        leaf, space = expr.path.steps[-1].type, expr.base.type.space
        space = Space.USER if space is Space.USER else Space.KERNEL
        return PlaceAddress(Pointer(space, leaf), span, expr.base, expr.path)
    if isinstance(expr, DynamicText):
        return ContextAddress(Pointer(Space.KERNEL), span, expr.word, expr.after)
    data = getattr(expr.type, "value", None)
    if isinstance(data, DynamicArray):
        return ContextAddress(Pointer(Space.KERNEL), span, data.word, data.after)
    expected = "something that lies in a kernel object"
    raise Fault(Mismatch(expr.span, expected=expected, got=shown(expr.type)))


def array_start(base: typed.KernelPlace, to: KernelRef, span: Span, scope: Scope) -> Expr:
    """Return the address of an array in a kernel object, as a pointer to its elements."""
    assert isinstance(base.base.type, Pointer)
    space = base.base.type.space
    space = Space.USER if space is Space.USER else Space.KERNEL
    kernel = scope.unit.kernel
    kind = kernel.pointer(to.id, space) if kernel.has_members(to) else Pointer(space, to)
    return PlaceAddress(kind, span, base.base, base.path)


def _type(node: ast.expr, scope: Scope) -> tuple[str, KernelRef | None]:
    expr = scope.expr(node)
    value = expr.type.value if isinstance(expr.type, Static) else None
    if not isinstance(value, KernelType):
        raise Fault(Mismatch(expr.span, expected="a kernel type", got=shown(expr.type)))
    return value.kernel_name, scope.unit.kernel.find(value.kernel_name)


def need_type(node: ast.expr, scope: Scope) -> KernelRef:
    """Return the kernel type that an argument names.

    Raises:
        Fault: it names none, or the target has no such type.
    """
    name, found = _type(node, scope)
    if found is None:
        near = scope.unit.kernel.similar(name)
        close = f"; did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else ""
        raise Fault(UnknownType(scope.span(node), name=name, close=close))
    return found


def _text(node: ast.expr, what: str, scope: Scope) -> str:
    expr = scope.expr(node)
    if not isinstance(expr, typed.Text):
        raise Fault(Mismatch(expr.span, expected=what, got=shown(expr.type)))
    return expr.value


def member_path(root: KernelRef, text: str, node: ast.expr, scope: Scope) -> FieldPath:
    """Return the way to a member, such as ``"signal.rlim[3].rlim_cur"`` without pointers in it.

    Raises:
        Fault: there is no such member.
    """
    kernel, steps, owner = scope.unit.kernel, list[Step](), root
    for part in re.findall(r"[^.\[\]]+|\[\d+\]", text):
        if part.startswith("["):
            found = kernel.element(owner)
            step: Step | None = IndexStep(int(part[1:-1]), found[0]) if found else None
        else:
            step = kernel.member(owner, part)
        if step is None:
            close = closest(part, kernel.member_names(owner))
            raise Fault(UnknownField(scope.span(node), type=owner.name, name=part, close=close))
        steps.append(step)
        owner = step.type
    last = steps[-1] if steps else None
    if last is None or (isinstance(last, MemberStep) and last.bits):
        what = "a member with an address of its own"
        raise Fault(Mismatch(scope.span(node), expected=what, got=text))
    return FieldPath(root, tuple(steps))


def _container_of(node: ast.Call, scope: Scope) -> Expr:
    _count(node, "container_of", (3,), scope)
    pointer = as_pointer(need_value(scope.expr(node.args[0])), scope)
    if not isinstance(pointer.type, Pointer) and not isinstance(pointer.type, Int):
        raise Fault(Mismatch(pointer.span, expected="a pointer", got=shown(pointer.type)))
    root = need_type(node.args[1], scope)
    path = member_path(root, _text(node.args[2], "a member's name", scope), node.args[2], scope)
    is_user = isinstance(pointer.type, Pointer) and pointer.type.space is Space.USER
    kind = scope.unit.kernel.pointer(root.id, Space.USER if is_user else Space.KERNEL)
    return ContainerOf(kind, scope.span(node), pointer, path)


def _offsetof(node: ast.Call, scope: Scope) -> Expr:
    _count(node, "offsetof", (2,), scope)
    span, name = scope.span(node), _text(node.args[1], "a member's name", scope)
    given = getattr(scope.expr(node.args[0]).type, "value", None)
    record = getattr(given, "__pyebpf_record__", None)
    if isinstance(record, Record):
        field = record.field(name)
        if field is None:
            close = closest(name, [f.name for f in record.fields])
            raise Fault(
                UnknownField(scope.span(node.args[1]), type=str(record), name=name, close=close)
            )
        if field.bits:
            raise scope.unsupported(node.args[1], "the offset of a bit-field")
        return literal(field.offset, span)
    path = member_path(need_type(node.args[0], scope), name, node.args[1], scope)
    return typed.CoreQuestion(U64, span, CoreKind.FIELD_BYTE_OFFSET, path)


def _has_type(node: ast.Call, scope: Scope) -> Expr:
    _count(node, "has_type", (1,), scope)
    span, (name, found) = scope.span(node), _type(node.args[0], scope)
    if found is None:
        scope.unit.note_choice(f"there is no {name}: what needs it is left out")
        return literal(False, span)
    scope.unit.note_choice(f"there is {name}")
    return typed.CoreQuestion(BOOL, span, CoreKind.TYPE_EXISTS, FieldPath(found, ()))


def _has_enumerator(node: ast.Call, scope: Scope) -> Expr:
    _count(node, "has_enumerator", (2,), scope)
    span, name = scope.span(node), _text(node.args[1], "an enumerator's name", scope)
    kind, found = _type(node.args[0], scope)
    known = scope.unit.kernel.enumerators(found) if found is not None else {}
    if found is None or name not in known:
        scope.unit.note_choice(f"{kind} has no {name}: what needs it is left out")
        return literal(False, span)
    scope.unit.note_choice(f"{kind} has {name}")
    return CoreAnswer(BOOL, span, CoreKind.ENUMVAL_EXISTS, FieldPath(found, ()), name)


def enumerator(value: KernelType, node: ast.Attribute, scope: Scope) -> Expr:
    """Check ``bpf_map_type.BPF_MAP_TYPE_HASH``: a number that the loader fills in."""
    kernel = scope.unit.kernel
    found = kernel.find(value.kernel_name)
    if found is None:
        near = kernel.similar(value.kernel_name)
        close = f"; did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else ""
        raise Fault(UnknownType(scope.span(node.value), name=value.kernel_name, close=close))
    known = kernel.enumerators(found)
    if node.attr not in known:
        close = closest(node.attr, list(known))
        place, name = scope.name_span(node), node.attr
        raise Fault(UnknownField(place, type=found.name, name=name, close=close, what="value"))
    number = known[node.attr]
    scope.unit.note_read(f"{found.name}.{node.attr}")
    kind = U64 if number > I64.high else I64
    return CoreAnswer(
        kind, scope.span(node), CoreKind.ENUMVAL_VALUE, FieldPath(found, ()), node.attr
    )


#: Functions of ``pyebpf.dsl.access``, by their marks.
MEMORY: dict[str, Callable[[ast.Call, Scope], Expr]] = {
    "read_kernel": _read(Space.KERNEL),
    "read_user": _read(Space.USER),
    "read_kernel_str": _read_str(Space.KERNEL),
    "read_user_str": _read_str(Space.USER),
    "cast": _cast,
    "addressof": _addressof,
    "container_of": _container_of,
    "offsetof": _offsetof,
    "has_type": _has_type,
    "has_enumerator": _has_enumerator,
    "view": view,
}
