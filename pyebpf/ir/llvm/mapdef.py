"""Map definitions, as libbpf reads them from the section ``.maps`` and its BTF.

A map is a struct of pointers that are never followed: ``int (*max_entries)[N]`` says the number N,
and ``K *key`` says the type K.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.abi.constants import BPF_F_NUMA_NODE
from pyebpf.abi.maps import MAP_KINDS
from pyebpf.errors import InternalError

if TYPE_CHECKING:
    from pyebpf.ir.llvm.debuginfo import DebugInfo
    from pyebpf.spec.objects import MapSpec
    from pyebpf.spec.types import DataType

#: Kinds of map that have neither keys nor values of their own.
_BARE = frozenset({"ringbuf", "user_ringbuf"})
#: ``LIBBPF_PIN_BY_NAME`` of ``tools/lib/bpf/bpf_helpers.h`` in Linux.
_PIN_BY_NAME = 1


def map_text(spec: MapSpec, debug: DebugInfo) -> str:
    """Return the definition of a map as a line of LLVM IR."""
    fields = _fields(spec, debug)
    body, content = ", ".join(["ptr"] * len(fields)), "zeroinitializer"
    if spec.inner is not None and not spec.slots:
        fields.append(("values", _values(spec.inner, debug)))
        body += ", [0 x ptr]"
    elif spec.slots:
        entries = ["null"] * (max(index for index, _ in spec.slots) + 1)
        for index, program in spec.slots:
            entries[index] = f"@{program}"
        array = f"[{len(entries)} x ptr]"
        members = ", ".join(["ptr null"] * len(fields))
        inner = spec.inner
        fields.append(("values", _values(inner, debug) if inner else _programs(debug)))
        body += f", {array}"
        content = f"{{ {members}, {array} [{', '.join(f'ptr {entry}' for entry in entries)}] }}"
    node = debug.variable(spec.name, _struct(fields, debug))
    return f'@{spec.name} = global {{ {body} }} {content}, section ".maps", align 8, !dbg !{node}'


def _programs(debug: DebugInfo) -> int:
    """Return the type of entries that are programs: ``int (*values[])(void *)``."""
    kinds = debug.listing([debug.basic("int", 4, "signed"), debug.pointer(None)])
    proto = debug.add(f"!DISubroutineType(types: !{kinds})")
    return debug.array(debug.pointer(proto), 0, 0)


def _fields(spec: MapSpec, debug: DebugInfo) -> list[tuple[str, int]]:
    row = MAP_KINDS.get(spec.kind)
    if row is None:
        raise InternalError(f"map {spec.name}: no kind of map is called {spec.kind!r}")
    fields = [("type", _number(row.id, debug))]
    if spec.kind not in _BARE:
        fields += [_side("key", spec.key, spec.key_size, debug)] if row.key != "none" else []
        fields.append(_side("value", spec.value, spec.value_size, debug))
    fields.append(("max_entries", _number(spec.max_entries, debug)))
    if spec.flags:
        fields.append(("map_flags", _number(spec.flags, debug)))
    if spec.flags & BPF_F_NUMA_NODE:
        fields.append(("numa_node", _number(spec.numa_node, debug)))
    if spec.extra:
        fields.append(("map_extra", _number(spec.extra, debug)))
    if spec.pinning is not None:
        fields.append(("pinning", _number(_PIN_BY_NAME, debug)))
    return fields


def _side(name: str, kind: DataType | None, size: int, debug: DebugInfo) -> tuple[str, int]:
    # The kernel takes no types for some kinds, but the views want them: the loader leaves them out.
    if kind is not None:
        return name, debug.pointer(debug.data(kind))
    return f"{name}_size", _number(size, debug)


def _number(value: int, debug: DebugInfo) -> int:
    return debug.pointer(debug.array(debug.basic("int", 4, "signed"), value * 4, value))


def _struct(fields: list[tuple[str, int]], debug: DebugInfo) -> int:
    members = [
        (name, kind, i * 64, 0 if name == "values" else 64) for i, (name, kind) in enumerate(fields)
    ]
    size = 8 * sum(bits == 64 for *_, bits in members)
    return debug.struct("", size, members)


def _values(inner: MapSpec, debug: DebugInfo) -> int:
    pointer = debug.pointer(_struct(_fields(inner, debug), debug))
    return debug.array(pointer, 0, 0)
