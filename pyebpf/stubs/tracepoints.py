"""Tracepoints as classes: the fields of their records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.diag import Source, Span
from pyebpf.dsl.check.contexts.tracepoint import (
    ContextArray,
    tracepoint_value,
    visible_fields,
)
from pyebpf.dsl.faults import Fault
from pyebpf.dsl.types import Static
from pyebpf.stubs.spelling import ANY, is_writable

if TYPE_CHECKING:
    from pyebpf.dsl.check.kernel_types import Kernel
    from pyebpf.spec.target import TracepointField
    from pyebpf.stubs.types import TypeStubs

_NOWHERE = Span(Source("", ""), 0, 0, 0, 0)


def tracepoint_class(
    event: str, fields: tuple[TracepointField, ...], kernel: Kernel, types: TypeStubs
) -> list[str]:
    """Return the lines of the class of a tracepoint, ``category:name``."""
    shown = [field for field in visible_fields(fields) if is_writable(field.name)]
    lines = [f"    {f.name}: _F[{_annotation(f, event, kernel, types)}]" for f in shown]
    name = event.partition(":")[2]
    return [f"class {name}(_Fields):", f'    """``{event}``"""', *lines, ""]


def _annotation(field: TracepointField, event: str, kernel: Kernel, types: TypeStubs) -> str:
    try:
        kind = tracepoint_value(field, event, _NOWHERE, kernel).type
    except Fault:
        return ANY
    if isinstance(kind, Static):
        return "_Array[_int]" if isinstance(kind.value, ContextArray) else "_ArrayOfAnyLength"
    return types.spell(kind)
