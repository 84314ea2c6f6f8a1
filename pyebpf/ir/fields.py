"""Where a field of a kernel type lies in the target, as CO-RE counts it.

Source:  ``tools/lib/bpf/relo_core.c`` of Linux says what each kind of relocation means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from pyebpf.btf import types as btf_types
from pyebpf.btf.layout import size_of
from pyebpf.errors import InternalError
from pyebpf.ir.nodes import IndexStep, MemberStep
from pyebpf.plain import Frozen
from pyebpf.spec.objects import CoreKind

if TYPE_CHECKING:
    from pyebpf.btf import Btf
    from pyebpf.ir.nodes import FieldPath

_ALWAYS_ONE = (
    CoreKind.FIELD_EXISTS,
    CoreKind.TYPE_EXISTS,
    CoreKind.TYPE_MATCHES,
    CoreKind.ENUMVAL_EXISTS,
)


class Storage(Frozen):
    """The memory to load for a field, and how to shift it; offsets and sizes in bytes."""

    byte_offset: int
    byte_size: int
    lshift: int
    rshift: int
    signed: bool


def is_integral(node: object) -> TypeGuard[btf_types.Int | btf_types.Enum | btf_types.Enum64]:
    """Tell whether a field of this type is a number with a sign."""
    return isinstance(node, btf_types.Int | btf_types.Enum | btf_types.Enum64)


def bit_offset(btf: Btf, path: FieldPath) -> int:
    """Return where the field starts, in bits from the root."""
    total = 0
    for step in path.steps:
        if isinstance(step, IndexStep):
            total += step.index * size_of(btf, step.type.id) * 8
        else:
            total += step.bit_offset
    return total


def storage(btf: Btf, path: FieldPath) -> Storage:
    """Return the memory that holds a field: an aligned word for a bit-field."""
    start, last = bit_offset(btf, path), path.steps[-1]
    node = btf.type(btf.skip(last.type.id))
    signed = is_integral(node) and node.signed
    size = size_of(btf, last.type.id)
    bits = last.bits if isinstance(last, MemberStep) else 0
    if not bits:
        return Storage(start // 8, size, 64 - size * 8, 64 - size * 8, signed)
    offset = start // 8 // size * size
    while start + bits - offset * 8 > size * 8:
        size *= 2
        offset = start // 8 // size * size
        if size > 8:
            raise InternalError(f"bit-field {path} does not fit an aligned 64-bit word")
    return Storage(offset, size, 64 - (start + bits - offset * 8), 64 - bits, signed)


def core_number(btf: Btf, kind: CoreKind, path: FieldPath, enumerator: str = "") -> int:
    """Return what a CO-RE relocation is in the target itself."""
    if kind in _ALWAYS_ONE:
        return 1
    if kind == CoreKind.ENUMVAL_VALUE:
        return enum_value(btf, path, enumerator)
    if kind == CoreKind.TYPE_SIZE:
        return size_of(btf, path.root.id)
    place = storage(btf, path)
    return {
        CoreKind.FIELD_BYTE_OFFSET: place.byte_offset,
        CoreKind.FIELD_BYTE_SIZE: place.byte_size,
        CoreKind.FIELD_SIGNED: int(place.signed),
        CoreKind.FIELD_LSHIFT_U64: place.lshift,
        CoreKind.FIELD_RSHIFT_U64: place.rshift,
    }[kind]


def enum_value(btf: Btf, path: FieldPath, enumerator: str) -> int:
    """Return the number behind an enumerator of the enum ``path.root``."""
    node = btf.type(btf.skip(path.root.id))
    assert isinstance(node, btf_types.Enum | btf_types.Enum64), path
    for item in node.values:
        if item.name == enumerator:
            return item.value
    raise InternalError(f"{path.root.name} has no enumerator {enumerator}")
