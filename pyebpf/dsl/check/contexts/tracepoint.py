"""Tracepoints by their records, and raw ones by their bare words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

from pyebpf.dsl.check.contexts.base import Context, Given, bad_argument, one_context, unknown_hook
from pyebpf.dsl.check.scope import closest
from pyebpf.dsl.faults import Fault, UnknownField, Unsupported
from pyebpf.dsl.faults_kernel import HookMismatch
from pyebpf.dsl.scalars import RawTracepointContext, TracepointContext
from pyebpf.dsl.typed import Expr, Object, Parameter
from pyebpf.dsl.typed_context import ContextField, ContextText
from pyebpf.dsl.typed_kernel import DynamicText
from pyebpf.dsl.types import U64, Chars, Int, Pointer, Space, Static
from pyebpf.spec.types import I32, U32
from pyebpf.tracepoints import TracepointType

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.kernel_types import Kernel
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.probes import Hook
    from pyebpf.spec.target import TracepointField

#: The kernel's own words at the start of every tracepoint record, which programs may not read.
_HIDDEN = 8
_WORD = 8


class TracepointRecord(Context):
    """The fields of one tracepoint."""

    event: str
    fields: tuple[TracepointField, ...]

    def attribute(self, name: str, span: Span, scope: Scope) -> Expr:
        visible = visible_fields(self.fields)
        for field in visible:
            if field.name == name:
                scope.unit.note_read(f"{self.event}.{name}")
                return tracepoint_value(field, self.event, span, scope.unit.kernel)
        names = [f.name for f in visible]
        near = closest(name, names) or f"; it has {', '.join(names)}"
        raise Fault(UnknownField(span, type=self.event, name=name, close=near))


def visible_fields(fields: tuple[TracepointField, ...]) -> list[TracepointField]:
    """Return the fields that programs may read."""
    return [field for field in fields if field.offset >= _HIDDEN]


#: What text of a tracepoint has room for if its length varies, in bytes with the NUL.
DYNAMIC_TEXT = 64


def tracepoint_value(field: TracepointField, event: str, span: Span, kernel: Kernel) -> Expr:
    """Return a field of a tracepoint as a probe sees it.

    Raises:
        Fault: a probe cannot hold it.
    """
    is_array = "[" in field.c_type
    if field.is_dynamic:
        after = field.offset + field.size if field.c_type.startswith("__rel_loc") else 0
        if re.search(r"\bchar\b", field.c_type):
            return DynamicText(Chars(DYNAMIC_TEXT), span, field.offset, after)
        return Object(Static(DynamicArray(field.offset, after, f"{event}.{field.name}")), span)
    if not is_array and field.size in (1, 2, 4, 8):
        return _tracepoint_number(field, event, span, kernel)
    if is_array and re.search(r"\bchar\b", field.c_type) and "unsigned" not in field.c_type:
        return ContextText(Chars(field.size), span, field.offset)
    length = re.search(r"\[(\d+)\]", field.c_type)
    width = field.size // int(length[1]) if length and int(length[1]) else 0
    if is_array and length and width in (1, 2, 4, 8):
        kind = Int(width * 8, field.signed)
        elements = ContextArray(kind, field.offset, int(length[1]), f"{event}.{field.name}")
        return Object(Static(elements), span)
    why = f"`{event}.{field.name}` of type `{field.c_type}`"
    advice = "numbers, text, pointers and arrays of numbers can be read"
    raise Fault(Unsupported(span, what=why, advice=advice))


def _tracepoint_number(field: TracepointField, event: str, span: Span, kernel: Kernel) -> Expr:
    """Return a number of a tracepoint, or a pointer to a struct that the target knows."""
    found = re.fullmatch(r"(?:const )?struct (\w+) ?\* ?", field.c_type)
    struct = kernel.find(found[1]) if found and field.size == _WORD else None
    if struct is None:
        kind: Int | Pointer = _declared(field, event, kernel) or Int(field.size * 8, field.signed)
    else:
        space = Space.USER if event.startswith("syscalls:") else Space.KERNEL
        kind = kernel.pointer(struct.id, space)
    return ContextField(kind, span, field.offset, kind.size)


def _declared(field: TracepointField, event: str, kernel: Kernel) -> Int | None:
    """Return the type of an argument of a system call; None if it fills its word.

    The record has whole registers, of which an ``int`` is the lower half: the program that calls
    leaves what it likes in the upper one, so that -100 looks like 4294967196 there.
    """
    name = field.c_type.removeprefix("const ")
    if not event.startswith("syscalls:") or field.size != _WORD or name in _WORDS or "*" in name:
        return None
    if name in _NUMBERS:
        return _NUMBERS[name]
    named = kernel.number(name.removeprefix("enum "))
    return named if named is not None and named.size < _WORD else None


#: Numbers of C, for kernels without types, and because most arguments are among them.
_NUMBERS = {"int": I32, "unsigned int": U32, "unsigned": U32}
_WORDS = ("long", "unsigned long", "size_t")


class DynamicArray(Context):
    """An array in the record of a tracepoint whose length varies; only its address is known."""

    word: int
    after: int
    name: str

    def attribute(self, name: str, span: Span, scope: Scope) -> Expr:
        raise Fault(UnknownField(span, type=self.name, name=name))

    def element(self, index: int, span: Span, scope: Scope) -> Expr:
        what = f"an element of `{self.name}`, whose length varies,"
        advice = f"read it at its address: cast(Ptr[u32], addressof(…))[{index}]"
        raise Fault(Unsupported(span, what=what, advice=advice))

    def length(self) -> int:
        return 1 << 31


class ContextArray(Context):
    """An array of numbers in the record of a tracepoint."""

    kind: Int
    offset: int
    count: int
    name: str

    def attribute(self, name: str, span: Span, scope: Scope) -> Expr:
        raise Fault(UnknownField(span, type=self.name, name=name))

    def element(self, index: int, span: Span, scope: Scope) -> Expr:
        return ContextField(self.kind, span, self.offset + index * self.kind.size, self.kind.size)

    def length(self) -> int:
        return self.count


class RawArguments(Context):
    """``ctx.args``: the arguments of a raw tracepoint."""

    is_args: bool = False

    def attribute(self, name: str, span: Span, scope: Scope) -> Expr:
        if self.is_args or name != "args":
            raise Fault(UnknownField(span, type="RawTracepointContext", name=name))
        return Object(Static(RawArguments(is_args=True)), span)

    def element(self, index: int, span: Span, scope: Scope) -> Expr:
        return ContextField(U64, span, 8 * index, 8)

    def length(self) -> int:
        return 12 if self.is_args else 0


def tracepoint(hook: Hook, given: list[Given], scope: Scope) -> tuple[str, list[Parameter]]:
    """Give a probe the record of its tracepoint."""
    one_context(given, TracepointContext, scope, hook)
    category, _, name = hook.target.partition(":")
    for item in given:
        _check_named(item, name, scope, hook)
    points = scope.unit.target.tracepoints
    try:
        fields = points.fields(category, name)
    except KeyError:
        raise unknown_hook(hook, scope, closest(hook.target, list(points.names()))) from None
    for item in given:
        record = Object(Static(TracepointRecord(hook.target, fields)), scope.span(item.node))
        scope.arguments[item.name] = record
    return f"tracepoint/{category}/{name}", []


def _check_named(item: Given, name: str, scope: Scope, hook: Hook) -> None:
    # What TracepointContext[…] names is for type checkers, which believe it: it has to be true.
    right = f"TracepointContext[{name}]"
    for named in get_args(item.hint):
        span = scope.span(item.node)
        if not isinstance(named, TracepointType):
            raise bad_argument(item, "no name of pyebpf.tracepoints in the brackets", right, scope)
        if named.tracepoint_name != name:
            why = f"these are the fields of `{named.tracepoint_name}`"
            where = f"{hook.kind} {hook.target}"
            raise Fault(HookMismatch(span, name=item.name, hook=where, why=why, prototype=right))


def raw_tracepoint(hook: Hook, given: list[Given], scope: Scope) -> tuple[str, list[Parameter]]:
    """Give a probe the bare arguments of its tracepoint."""
    one_context(given, RawTracepointContext, scope, hook)
    for item in given:
        scope.arguments[item.name] = Object(Static(RawArguments()), scope.span(item.node))
    return f"raw_tp/{hook.target}", []
