"""What a probe is given, one model per kind of program: a context object, or typed arguments."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any, TypeAlias, get_args, get_origin

from pyebpf.dsl.annotations import data_type, pointee
from pyebpf.dsl.check.convert import to_int
from pyebpf.dsl.check.scope import closest
from pyebpf.dsl.faults import (
    BadAnnotation,
    Fault,
    HookMismatch,
    UnknownField,
    UnknownHook,
    Unsupported,
)
from pyebpf.dsl.scalars import RawTracepointContext, TracepointContext
from pyebpf.dsl.typed import ContextField, ContextObject, ContextText, Expr, Object, Parameter
from pyebpf.dsl.typed_kernel import DynamicText
from pyebpf.dsl.types import U64, Address, Chars, Int, Pointer, Record, Space, Static, ValueType
from pyebpf.plain import Frozen
from pyebpf.tracepoints import TracepointType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyebpf.diag import Span
    from pyebpf.dsl.check.kernel_types import Argument, Kernel
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.probes import Hook
    from pyebpf.spec.target import TracepointField

#: The kernel's own words at the start of every tracepoint record, which programs may not read.
_HIDDEN = 8
_WORD = 8


class Context(Frozen):
    """A context with members, as the probe's first parameter."""

    def attribute(self, name: str, span: Span, scope: Scope) -> Expr:
        """Return a member."""
        raise Fault(UnknownField(span, type=type(self).__name__, name=name))

    def element(self, index: int, span: Span, scope: Scope) -> Expr:
        """Return a numbered member."""
        raise Fault(UnknownField(span, type=type(self).__name__, name=str(index)))

    def length(self) -> int:
        """Return how many numbered members there are."""
        return 0


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
        kind: Int | Pointer = Int(field.size * 8, field.signed)
    else:
        space = Space.USER if event.startswith("syscalls:") else Space.KERNEL
        kind = kernel.pointer(struct.id, space)
    return ContextField(kind, span, field.offset, field.size)


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


class Given(Frozen):
    """A parameter of the user's function: its name, its annotation evaluated, its place."""

    name: str
    hint: Any
    node: ast.arg


Model: TypeAlias = "Callable[[Hook, list[Given], Scope], tuple[str, list[Parameter]]]"


def _one_context(given: list[Given], wanted: Any, scope: Scope, hook: Hook) -> None:
    example = wanted.__name__
    for extra in given[1:]:
        why = f"{hook.kind} gives one context"
        raise Fault(
            BadAnnotation(scope.span(extra.node), name=extra.name, why=why, example=example)
        )
    if given and wanted not in (given[0].hint, get_origin(given[0].hint)):
        raise Fault(
            BadAnnotation(
                scope.span(given[0].node),
                name=given[0].name,
                why=f"{hook.kind} gives a {example}",
                example=example,
            )
        )


def _tracepoint(hook: Hook, given: list[Given], scope: Scope) -> tuple[str, list[Parameter]]:
    _one_context(given, TracepointContext, scope, hook)
    category, _, name = hook.target.partition(":")
    for item in given:
        _check_named(item, name, scope, hook)
    points = scope.unit.target.tracepoints
    try:
        fields = points.fields(category, name)
    except KeyError:
        raise _unknown(hook, scope, closest(hook.target, list(points.names()))) from None
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
            why = "no name of pyebpf.tracepoints in the brackets"
            raise Fault(BadAnnotation(span, name=item.name, why=why, example=right))
        if named.tracepoint_name != name:
            why = f"these are the fields of `{named.tracepoint_name}`"
            where = f"{hook.kind} {hook.target}"
            raise Fault(HookMismatch(span, name=item.name, hook=where, why=why, prototype=right))


def _raw_tracepoint(hook: Hook, given: list[Given], scope: Scope) -> tuple[str, list[Parameter]]:
    _one_context(given, RawTracepointContext, scope, hook)
    for item in given:
        scope.arguments[item.name] = Object(Static(RawArguments()), scope.span(item.node))
    return f"raw_tp/{hook.target}", []


def _tp_btf(hook: Hook, given: list[Given], scope: Scope) -> tuple[str, list[Parameter]]:
    kernel = scope.unit.kernel
    arguments = kernel.tracepoint(hook.target)
    if arguments is None:
        near = kernel.similar_tracepoints(hook.target)
        close = f"; did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else ""
        raise _unknown(hook, scope, close)
    out = []
    for number, item in enumerate(given):
        actual, kind = _argument_type(hook, number, item, arguments, scope)
        variable = scope.variable(item.name)
        variable.type = kind
        span = scope.span(item.node)
        value: Expr = ContextField(actual, span, 8 * number, 8)
        if isinstance(kind, Int):
            variable.fixed, variable.range = kind, (kind.low, kind.high)
            value = to_int(value, kind)
        scope.flow = scope.flow.assign(item.name, present=True)
        out.append(Parameter(variable, value))
    return f"tp_btf/{hook.target}", out


def _syscall(hook: Hook, given: list[Given], scope: Scope) -> tuple[str, list[Parameter]]:
    for number, item in enumerate(given):
        kind, span = data_type(item.hint), scope.span(item.node)
        if number or not isinstance(kind, Record):
            why = "a syscall program takes one record"
            raise Fault(BadAnnotation(span, name=item.name, why=why, example="Arguments"))
        scope.arguments[item.name] = ContextObject(Pointer(Space.CTX, kind), span)
    return "syscall", []


def _argument_type(
    hook: Hook, number: int, item: Given, arguments: tuple[Argument, ...], scope: Scope
) -> tuple[ValueType, ValueType]:
    # What the kernel passes, and what the probe sees of it: the declared width.
    spelled = ", ".join(a.spelling for a in arguments)

    def mismatch(why: str) -> Fault:
        span = scope.span(item.node)
        where = f"{hook.kind} {hook.target}"
        return Fault(
            HookMismatch(span, name=item.name, hook=where, why=why, prototype=f"({spelled})")
        )

    if number >= len(arguments):
        raise mismatch(f"there are only {len(arguments)} arguments")
    actual = arguments[number]
    if actual.type is None or (
        not isinstance(actual.type, (Int, Pointer)) and not _is_bool(actual)
    ):
        raise mismatch(f"`{actual.spelling}` cannot be held in a probe")
    declared = data_type(item.hint)
    if declared is None:
        raise Fault(
            BadAnnotation(
                scope.span(item.node),
                name=item.name,
                why="no type that the kernel passes",
                example=_example(actual),
            )
        )
    if not _fits(declared, actual.type, item.hint):
        raise mismatch(f"the kernel passes `{actual.spelling}` here")
    if isinstance(declared, Int):
        return (U64 if isinstance(actual.type, Pointer) else actual.type), declared
    return actual.type, actual.type


def _is_bool(actual: Argument) -> bool:
    return str(actual.type) == "bool"


def _fits(declared: Any, actual: ValueType, hint: Any) -> bool:
    if isinstance(declared, Address):
        wanted = pointee(hint)
        name = getattr(getattr(actual, "to", None), "name", "").removeprefix("struct ")
        return isinstance(actual, Pointer) and (not wanted or _same_struct(wanted, name))
    if isinstance(actual, Pointer):
        return bool(declared == U64)
    if isinstance(declared, Int) and isinstance(actual, Int):
        # Widths change between kernels (an error code was `int`, is `blk_status_t`); a probe may
        # ask for more bits than the kernel passes, never for fewer.
        return declared.bits >= actual.bits
    return bool(declared == actual)


def _same_struct(wanted: str, actual: str) -> bool:
    # A flavour (`request___old`) stands for the type without its suffix.
    return wanted.partition("___")[0] == actual.removeprefix("union ").partition("___")[0]


def _example(actual: Argument) -> str:
    if isinstance(actual.type, Pointer):
        name = getattr(actual.type.to, "name", "").removeprefix("struct ")
        return f"Ptr[{name}]" if name.isidentifier() else "u64"
    return str(actual.type)


def _unknown(hook: Hook, scope: Scope, close: str) -> Fault:
    span = hook_span(scope, hook)
    return Fault(UnknownHook(span, kind=hook.kind, name=hook.target, close=close))


def hook_span(scope: Scope, hook: Hook) -> Span:
    """Return where the decorator names its target, or else the function's name."""
    for decorator in scope.source.node.decorator_list:
        for part in ast.walk(decorator):
            if isinstance(part, ast.Constant) and part.value == hook.target:
                return scope.span(part)
    return scope.source.name_span()


#: Kind of program → what its function is given, and its ELF section.
MODELS: Mapping[str, Model] = {
    "tracepoint": _tracepoint,
    "tp_btf": _tp_btf,
    "raw_tracepoint": _raw_tracepoint,
    "syscall": _syscall,
}
