"""Fields of a map's value that the kernel finds by the name of their type, and keeps for itself.

User space never sees their contents: the kernel leaves them out when it copies a value.

Source: ``kernel/bpf/btf.c`` (``btf_get_field_type``), ``include/uapi/linux/bpf.h``.
"""

from __future__ import annotations

from pyebpf.spec.types import U32, U64, Array, DataType, Field, Record

#: ``struct bpf_spin_lock``.
SPIN_LOCK = Record("bpf_spin_lock", (Field("val", U32, 0),), 4, 4)
#: ``struct bpf_timer``.
TIMER = Record("bpf_timer", (Field("__opaque", Array(U64, 2), 0),), 16, 8)
KERNEL_FIELDS = (SPIN_LOCK, TIMER)


def kernel_fields(kind: DataType | None) -> tuple[Record, ...]:
    """Return which of these a type has, at any depth."""
    if isinstance(kind, Array):
        return kernel_fields(kind.element)
    if not isinstance(kind, Record):
        return ()
    if kind in KERNEL_FIELDS:
        return (kind,)
    return tuple(one for field in kind.fields for one in kernel_fields(field.type))
