"""Whether a pinned map is the one that a declaration means, property by property."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pyebpf.abi import constants as c
from pyebpf.abi.map_flags import MAP_FLAGS
from pyebpf.abi.maps import MAP_KINDS, map_kind_by_id
from pyebpf.abi.names import map_type_name
from pyebpf.btf.parse import Btf
from pyebpf.errors import KernelError, PinError
from pyebpf.host.cpus import possible_count
from pyebpf.runtime import bpffs, syscall
from pyebpf.spec.from_btf import data_type
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.stacks import SECOND_PIN, type_of_value
from pyebpf.spec.types import U32, Array, DataType, Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyebpf.runtime.syscall import MapInfo

    #: A field: its name with those around it; its offset and size in bytes.
    _Leaf = tuple[str, tuple[int, int]]

_WORDS = {"map": "a map", "prog": "a program", "link": "a link", "": "no BPF object"}


def entries_of(path: str) -> int:
    """Return how many entries the map that is pinned at a path may have; 0 if none is there.

    Raises:
        KernelError, PinError: it cannot be opened.
    """
    if not os.path.lexists(path):
        return 0
    kind, fd = bpffs.open_pinned(path)
    try:
        return syscall.map_info(fd).max_entries if kind == "map" else 0
    finally:
        os.close(fd)


def second_of(path: str) -> str:
    """Return where the second map of pinned stacks is pinned; "" if there is none."""
    second = f"{path}{SECOND_PIN}"
    if not os.path.lexists(second):
        return ""
    return second if _is_of_stacks(path) and _is_of_stacks(second) else ""


def _is_of_stacks(path: str) -> bool:
    try:
        kind, fd = bpffs.open_pinned(path)
    except (KernelError, PinError):
        return False
    try:
        return kind == "map" and syscall.map_info(fd).type == c.BPF_MAP_TYPE_STACK_TRACE
    finally:
        os.close(fd)


def check(kind: str, fd: int, spec: MapSpec, btf_fd: int, path: str) -> None:
    """Refuse what is pinned unless it is the map of a specification.

    Args:
        kind: what it is: ``"map"``, ``"prog"``, ``"link"``.
        fd: its descriptor.
        spec: what is wanted.
        btf_fd: the BTF in which ``spec.key_type`` and ``spec.value_type`` are; 0 for none.
        path: where it is pinned, for the message.

    Raises:
        PinError: it differs; the message says in what.

    Cost: one system call; for records three more, if both maps are of the same object, and about a
    millisecond if not.
    """
    if kind != "map":
        raise PinError(f"map {spec.name!r}: {path} is {_WORDS[kind]}, not a map", path=path)
    found = syscall.map_info(fd)
    differing = [
        f"{what}: {theirs} there, {ours} here"
        for what, theirs, ours in _properties(found, spec)
        if theirs != ours
    ] or _shapes(found, spec, btf_fd)
    if differing:
        raise PinError(
            f"map {spec.name!r}: what is pinned at {path} is another map: "
            f"{', '.join(differing)}; remove it with unpin({path!r}), or pin this one elsewhere",
            path=path,
        )


def _properties(found: MapInfo, spec: MapSpec) -> Iterator[tuple[str, Any, Any]]:
    """Yield each property: what it is called, and what it is there and here."""
    yield "kind", map_type_name(found.type), map_type_name(MAP_KINDS[spec.kind].id)
    yield "key", f"{found.key_size} bytes", f"{spec.key_size} bytes"
    yield "value", f"{found.value_size} bytes", f"{spec.value_size} bytes"
    yield "max_entries", found.max_entries, _entries(spec)
    # Of one side is the descriptor, not the map (bpf_map_flags_retain_permanent).
    own = c.BPF_F_RDONLY | c.BPF_F_WRONLY
    if spec.kind.startswith("devmap"):
        own |= c.BPF_F_RDONLY_PROG  # which the kernel adds by itself (dev_map_alloc_check)
    yield "flags", _flags(found.flags & ~own, spec.kind), _flags(spec.flags & ~own, spec.kind)
    yield "map_extra", found.extra, spec.extra


def _entries(spec: MapSpec) -> int:
    """Return what the kernel makes of ``max_entries`` (``htab_map_alloc``)."""
    if not spec.flags & c.BPF_F_NO_COMMON_LRU:
        return spec.max_entries
    cpus = possible_count()
    return -(-spec.max_entries // cpus) * cpus


def _flags(bits: int, kind: str) -> str:
    words = {row.bit: row.name for row in MAP_FLAGS.values() if kind in row.kinds}
    words[c.BPF_F_NUMA_NODE] = "numa_node"
    names = [word for bit, word in words.items() if bits & bit]
    rest = bits & ~sum(words)
    return " ".join(names + [hex(rest)] * bool(rest)) or "none"


def _shapes(found: MapInfo, spec: MapSpec, btf_fd: int) -> list[str]:
    """Compare the fields of records; nothing where the kernel tells no types."""
    records = any(isinstance(kind, Record) for kind in (spec.key, spec.value))
    if not found.btf_id or not records:
        return []
    known = _types(found, spec, btf_fd)
    ours = ("the key", spec.key), ("the value", spec.value)
    pairs = [(what, there, here) for (what, here), there in zip(ours, known, strict=True)]
    return [text for pair in pairs if (text := _shape(*pair))]


def _types(found: MapInfo, spec: MapSpec, btf_fd: int) -> tuple[DataType | None, DataType | None]:
    """Return what the kernel knows of the types of key and value; None for what it does not."""
    try:
        fd = syscall.fd_by_id("btf", found.btf_id)
    except KernelError:
        return None, None  # only CAP_SYS_ADMIN may open it
    try:
        data = syscall.btf_data(fd)
    finally:
        os.close(fd)
    same = (found.btf_key_type_id, found.btf_value_type_id) == (spec.key_type, spec.value_type)
    if same and btf_fd and data == syscall.btf_data(btf_fd):
        return spec.key, spec.value
    btf = Btf.parse(data)
    types = (found.btf_key_type_id, found.btf_value_type_id)
    key, value = (data_type(btf, number) if number else None for number in types)
    return key, value


def _shape(what: str, there: DataType | None, here: DataType | None) -> str:
    """Say what the first field is that lies elsewhere; "" if none does, or nothing is known."""
    if not isinstance(there, Record) or not isinstance(here, Record):
        return ""
    theirs, ours = dict(_leaves(there)), dict(_leaves(here))
    for name in {**theirs, **ours}:
        places = _place(theirs, name), _place(ours, name)
        if places[0] != places[1]:
            return f"{what}'s field {name!r}: {places[0]} there, {places[1]} here"
    return ""


def _place(leaves: dict[str, tuple[int, int]], name: str) -> str:
    offset, size = leaves.get(name, (0, 0))
    return f"{size} bytes at {offset}" if size else "absent"


def _leaves(kind: DataType, prefix: str = "", base: int = 0) -> Iterator[_Leaf]:
    """Yield the fields at any depth. Whether a number has a sign does not count."""
    if isinstance(kind, Array) and isinstance(kind.element, Record):
        yield prefix.rstrip("."), (base, kind.size)
        kind, prefix = kind.element, f"{prefix.rstrip('.')}[]."
    if not isinstance(kind, Record):
        yield prefix.rstrip("."), (base, kind.size)
        return
    for field in kind.fields:
        yield from _leaves(field.type, f"{prefix}{field.name}.", base + field.offset)


def spec_of(fd: int, name: str) -> MapSpec:
    """Return what a pinned map is, with the types that the kernel knows of it.

    Raises:
        PinError: it is of a kind that is not known here.
    """
    found = syscall.map_info(fd)
    row = map_kind_by_id(found.type)
    if row is None:
        raise PinError(f"{name} is a map of {map_type_name(found.type)}", path=name)
    spec = MapSpec(
        found.name, row.name, found.key_size, found.value_size, found.max_entries, found.flags,
        extra=found.extra,
    )  # fmt: skip
    if row.id == c.BPF_MAP_TYPE_STACK_TRACE:  # which has no types of its own
        return spec.replace(key=U32, value=type_of_value(spec.value_size, spec.flags))
    key, value = _types(found, spec, 0) if found.btf_id else (None, None)
    fits = value is not None and value.size == spec.value_size
    return spec.replace(
        key=key if key is not None and key.size == spec.key_size else None,
        value=value if fits else None,
    )
