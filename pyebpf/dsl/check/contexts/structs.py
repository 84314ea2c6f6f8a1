"""Contexts that are structures: the kernel's of packets and sockets, and records of callers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.abi.results import writable_fields
from pyebpf.dsl.annotations import data_type
from pyebpf.dsl.check.contexts.base import Context, Given, one_context
from pyebpf.dsl.check.contexts.packet import packet_call
from pyebpf.dsl.check.scope import closest
from pyebpf.dsl.faults import BadAnnotation, Fault, UnknownField, UnknownType, Unsupported
from pyebpf.dsl.faults_kernel import ReadOnlyField
from pyebpf.dsl.typed import Expr, Object, RecordField
from pyebpf.dsl.typed_context import ContextField, ContextObject
from pyebpf.dsl.types import Maybe, Pointer, Record, Space, Static
from pyebpf.dsl.uapi import CONTEXTS, ContextStruct, Packet, context_struct

if TYPE_CHECKING:
    import ast

    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.probes import Hook
    from pyebpf.dsl.typed import Parameter


class StructContext(Context):
    """A structure that the kernel passes, by the class that describes it."""

    cls: type

    @property
    def struct(self) -> ContextStruct:
        found = context_struct(self.cls)
        assert found is not None
        return found

    def attribute(self, name: str, span: Span, scope: Scope) -> Expr:
        found = self._field(name, span)
        assert isinstance(found, RecordField)
        if name in self.struct.bounds or name == "data_meta":
            advice = "ctx.packet(Record, at) reads what is there, ctx.packet_length() counts it"
            raise Fault(Unsupported(span, what=f"the address `{name}`", advice=advice))
        if name in self.struct.pointers:
            return self._pointer(found, span, scope)
        scope.unit.note_read(f"{self.struct.record.name}.{name}")
        return found

    def place(self, name: str, span: Span, scope: Scope) -> RecordField:
        """Return a field to assign to.

        Raises:
            Fault: the kernel lets no program of this kind change it.
        """
        found = self._field(name, span)
        check_writable(name, span, scope)
        return found

    def call(self, name: str, node: ast.Call, span: Span, scope: Scope) -> Expr:
        if issubclass(self.cls, Packet) and name in ("packet", "packet_length"):
            return packet_call(name, self.struct, node, scope)
        return super().call(name, node, span, scope)

    def _field(self, name: str, span: Span) -> RecordField:
        record = self.struct.record
        field = record.field(name)
        if field is None:
            names = [f.name for f in record.fields]
            near = closest(name, names) or f"; it has {', '.join(names)}"
            raise Fault(UnknownField(span, type=self.cls.__name__, name=name, close=near))
        base = ContextObject(Pointer(Space.CTX, record), span)
        return RecordField(field.type, span, base, field)

    def _pointer(self, found: RecordField, span: Span, scope: Scope) -> Expr:
        wanted, kernel = self.struct.pointers[found.field.name], scope.unit.kernel
        ref = kernel.find(wanted) if wanted else None
        if ref is None:
            raise Fault(UnknownType(span, name=wanted or found.field.name))
        pointer = kernel.pointer(ref.id, Space.BTF)
        sure = self.struct.record.name == "bpf_nf_ctx"
        return ContextField(pointer if sure else Maybe(pointer), span, found.field.offset, 8)


def check_writable(name: str, span: Span, scope: Scope) -> None:
    """Refuse to change a field of the context that the kernel keeps.

    Raises:
        Fault: naming the fields that can be changed.
    """
    kind = scope.unit.hook_kind
    allowed = writable_fields(PROGRAM_KINDS[kind])
    if name not in allowed:
        can = f"it may change {', '.join(allowed)}" if allowed else "it may change none"
        raise Fault(ReadOnlyField(span, name=name, kind=kind, can=can))


def is_kernels(base: Expr) -> bool:
    """Tell whether an expression is a context whose layout is the kernel's."""
    kind = base.type.to if isinstance(base.type, Pointer) else None
    known = isinstance(base, ContextObject) and isinstance(kind, Record)
    return known and getattr(kind, "name", "") in CONTEXTS


def struct_context(hook: Hook, given: list[Given], scope: Scope) -> tuple[str, list[Parameter]]:
    """Give a probe the structure of its kind."""
    row = PROGRAM_KINDS[hook.kind]
    cls = CONTEXTS[row.context]
    one_context(given, cls, scope, hook)
    for item in given:
        scope.arguments[item.name] = Object(Static(StructContext(cls)), scope.span(item.node))
    return row.sections[0], []


def record_context(hook: Hook, given: list[Given], scope: Scope) -> tuple[str, list[Parameter]]:
    """Give a probe the record that its caller passes."""
    for number, item in enumerate(given):
        kind, span = data_type(item.hint), scope.span(item.node)
        if number or not isinstance(kind, Record):
            why = f"a {hook.kind} program takes one record"
            advice = f"leave `{item.name}` out" if number else "annotate it with a `@record`"
            raise Fault(BadAnnotation(span, item.name, why, advice))
        scope.arguments[item.name] = ContextObject(Pointer(Space.CTX, kind), span)
    return PROGRAM_KINDS[hook.kind].sections[0], []
