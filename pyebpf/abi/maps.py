"""The kinds of maps: one row each.

Source: ``include/uapi/linux/bpf.h``, ``kernel/bpf/syscall.c`` (``map_create``, ``map_check_btf``).
"""

from __future__ import annotations

from pyebpf.abi import constants as c
from pyebpf.plain import Frozen


class MapKind(Frozen):
    """One kind of map.

    Attributes:
        name: as in a :class:`pyebpf.spec.objects.MapSpec`.
        id: ``BPF_MAP_TYPE_*``.
        since: the Linux version that brought it, for messages only; empty if newer than this table.
        per_cpu: a value is one for each possible CPU, each padded to 8 bytes.
        has_btf: the kernel takes BTF types of key and value.
        key: ``"any"``, ``"index"`` (a u32 below ``max_entries``), ``"u32"``, ``"object"`` (a kernel
            object, for user space the descriptor of one), ``"prefix"`` (a u32 length in bits, and
            data), or ``"none"``.
        flags: ``BPF_F_*`` without which the kernel makes none.
        getter: the helper that finds a value; of ``"object"`` keys it can make one too.
        remover: the helper that removes a key.
        note: what is particular about it, for documentation and messages.
    """

    name: str
    id: int
    since: str
    per_cpu: bool = False
    has_btf: bool = True
    key: str = "any"
    note: str = ""
    flags: int = 0
    getter: str = "map_lookup_elem"
    remover: str = "map_delete_elem"


_ROWS = (
    MapKind("hash", c.BPF_MAP_TYPE_HASH, "3.19"),
    MapKind("array", c.BPF_MAP_TYPE_ARRAY, "3.19", key="index", note="every entry always exists"),
    MapKind(
        "prog_array", c.BPF_MAP_TYPE_PROG_ARRAY, "4.2", key="index", note="programs, for tail calls"
    ),
    MapKind(
        "perf_event_array",
        c.BPF_MAP_TYPE_PERF_EVENT_ARRAY,
        "4.3",
        has_btf=False,
        key="index",
        note="perf events; max_entries 0 means one for each CPU in libbpf, not in the kernel",
    ),
    MapKind("percpu_hash", c.BPF_MAP_TYPE_PERCPU_HASH, "4.6", per_cpu=True),
    MapKind("percpu_array", c.BPF_MAP_TYPE_PERCPU_ARRAY, "4.6", per_cpu=True, key="index"),
    MapKind(
        "stack_trace",
        c.BPF_MAP_TYPE_STACK_TRACE,
        "4.6",
        has_btf=False,
        key="u32",
        note="addresses of call stacks, by the id that get_stackid returns",
    ),
    MapKind(
        "cgroup_array",
        c.BPF_MAP_TYPE_CGROUP_ARRAY,
        "4.8",
        has_btf=False,
        key="index",
        note="cgroup descriptors",
    ),
    MapKind(
        "lru_hash",
        c.BPF_MAP_TYPE_LRU_HASH,
        "4.10",
        note="full means that the least recently used entry goes",
    ),
    MapKind(
        "lru_percpu_hash",
        c.BPF_MAP_TYPE_LRU_PERCPU_HASH,
        "4.10",
        per_cpu=True,
        note="full means that the least recently used entry goes",
    ),
    MapKind(
        "lpm_trie",
        c.BPF_MAP_TYPE_LPM_TRIE,
        "4.11",
        key="prefix",
        note="needs BPF_F_NO_PREALLOC; a key is a u32 prefix length and data, a struct if there is BTF",
        flags=c.BPF_F_NO_PREALLOC,
    ),
    MapKind(
        "array_of_maps",
        c.BPF_MAP_TYPE_ARRAY_OF_MAPS,
        "4.12",
        has_btf=False,
        key="index",
        note="maps like the inner one given at creation",
    ),
    MapKind(
        "hash_of_maps",
        c.BPF_MAP_TYPE_HASH_OF_MAPS,
        "4.12",
        has_btf=False,
        note="maps like the inner one given at creation",
    ),
    MapKind(
        "devmap",
        c.BPF_MAP_TYPE_DEVMAP,
        "4.14",
        has_btf=False,
        key="index",
        note="network devices, for XDP redirects",
    ),
    MapKind("sockmap", c.BPF_MAP_TYPE_SOCKMAP, "4.14", has_btf=False, key="index", note="sockets"),
    MapKind(
        "cpumap",
        c.BPF_MAP_TYPE_CPUMAP,
        "4.15",
        has_btf=False,
        key="index",
        note="CPUs, for XDP redirects",
    ),
    MapKind(
        "xskmap", c.BPF_MAP_TYPE_XSKMAP, "4.18", has_btf=False, key="index", note="AF_XDP sockets"
    ),
    MapKind("sockhash", c.BPF_MAP_TYPE_SOCKHASH, "4.18", has_btf=False, note="sockets"),
    MapKind(
        "cgroup_storage",
        c.BPF_MAP_TYPE_CGROUP_STORAGE,
        "4.19",
        note="max_entries 0; one value for each attached cgroup",
    ),
    MapKind(
        "reuseport_sockarray",
        c.BPF_MAP_TYPE_REUSEPORT_SOCKARRAY,
        "4.19",
        key="index",
        note="sockets of one port",
    ),
    MapKind(
        "percpu_cgroup_storage",
        c.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
        "4.20",
        per_cpu=True,
        note="max_entries 0; one value for each attached cgroup",
    ),
    MapKind(
        "queue", c.BPF_MAP_TYPE_QUEUE, "4.20", has_btf=False, key="none", note="first in, first out"
    ),
    MapKind(
        "stack", c.BPF_MAP_TYPE_STACK, "4.20", has_btf=False, key="none", note="last in, first out"
    ),
    MapKind(
        "sk_storage",
        c.BPF_MAP_TYPE_SK_STORAGE,
        "5.2",
        key="object",
        note="one value for each socket; needs BPF_F_NO_PREALLOC and BTF",
        flags=c.BPF_F_NO_PREALLOC,
        getter="sk_storage_get",
        remover="sk_storage_delete",
    ),
    MapKind(
        "devmap_hash",
        c.BPF_MAP_TYPE_DEVMAP_HASH,
        "5.4",
        has_btf=False,
        key="u32",
        note="network devices, for XDP redirects",
    ),
    MapKind(
        "struct_ops",
        c.BPF_MAP_TYPE_STRUCT_OPS,
        "5.6",
        key="index",
        note="a table of functions for a kernel subsystem",
    ),
    MapKind(
        "ringbuf",
        c.BPF_MAP_TYPE_RINGBUF,
        "5.8",
        has_btf=False,
        key="none",
        note="max_entries is bytes: a power of two, whole pages",
    ),
    MapKind(
        "inode_storage",
        c.BPF_MAP_TYPE_INODE_STORAGE,
        "5.10",
        key="object",
        note="one value for each inode; needs BPF_F_NO_PREALLOC and BTF",
        flags=c.BPF_F_NO_PREALLOC,
        getter="inode_storage_get",
        remover="inode_storage_delete",
    ),
    MapKind(
        "task_storage",
        c.BPF_MAP_TYPE_TASK_STORAGE,
        "5.11",
        key="object",
        note="one value for each task; needs BPF_F_NO_PREALLOC and BTF",
        flags=c.BPF_F_NO_PREALLOC,
        getter="task_storage_get",
        remover="task_storage_delete",
    ),
    MapKind(
        "bloom_filter",
        c.BPF_MAP_TYPE_BLOOM_FILTER,
        "5.16",
        key="none",
        note="tells whether a value may have been added",
    ),
    MapKind(
        "user_ringbuf",
        c.BPF_MAP_TYPE_USER_RINGBUF,
        "6.1",
        has_btf=False,
        key="none",
        note="user space to kernel; max_entries is bytes",
    ),
    MapKind(
        "cgrp_storage",
        c.BPF_MAP_TYPE_CGRP_STORAGE,
        "6.2",
        key="object",
        note="one value for each cgroup; needs BPF_F_NO_PREALLOC and BTF",
        flags=c.BPF_F_NO_PREALLOC,
        getter="cgrp_storage_get",
        remover="cgrp_storage_delete",
    ),
    MapKind(
        "arena",
        c.BPF_MAP_TYPE_ARENA,
        "6.9",
        has_btf=False,
        key="none",
        note="memory shared with user space; max_entries is pages",
    ),
    MapKind(
        "insn_array",
        c.BPF_MAP_TYPE_INSN_ARRAY,
        "",
        has_btf=False,  # none that is as long as its values
        key="index",
        note="addresses of instructions, for jump tables",
    ),
    MapKind(
        "rhash",
        c.BPF_MAP_TYPE_RHASH,
        "",
        note="a hash that grows; needs BPF_F_NO_PREALLOC",
        flags=c.BPF_F_NO_PREALLOC,
    ),
)

#: Every kind of map by its name.
MAP_KINDS: dict[str, MapKind] = {row.name: row for row in _ROWS}


def map_kind_by_id(number: int) -> MapKind | None:
    """Return the kind with an id, or None if this version does not know it."""
    return next((row for row in _ROWS if row.id == number), None)
