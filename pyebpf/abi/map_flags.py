"""The flags that maps can be made with: one row each.

Source: the ``*_alloc_check`` function of each kind, in ``kernel/bpf`` and ``net``;
``include/uapi/linux/bpf.h``.
"""

from __future__ import annotations

from pyebpf.abi import constants as c
from pyebpf.plain import Frozen


class MapFlag(Frozen):
    """A flag that a map can be made with.

    Attributes:
        name: the word for it in a declaration: the kernel's name without ``BPF_F_``.
        bit: ``BPF_F_*``.
        kinds: names of the kinds that take it.
        doc: what it does.
    """

    name: str
    bit: int
    kinds: frozenset[str]
    doc: str


def _kinds(words: str) -> frozenset[str]:
    return frozenset(words.split())


_HASHES = _kinds("hash percpu_hash lru_hash lru_percpu_hash")
_SOCKETS = _kinds("sockmap sockhash xskmap devmap devmap_hash")
_ENTRIES = _HASHES | _kinds("array percpu_array lpm_trie queue stack bloom_filter")
_RINGS = _kinds("ringbuf user_ringbuf")
_READABLE = _ENTRIES | _SOCKETS | _kinds("stack_trace cgroup_storage percpu_cgroup_storage")
_STORAGES = _kinds("task_storage inode_storage sk_storage cgrp_storage")

#: Flags of declarations. A NUMA node (``BPF_F_NUMA_NODE``) is a number of its own.
MAP_FLAGS: dict[str, MapFlag] = {
    row.name: row
    for row in (
        MapFlag(
            "no_prealloc",
            c.BPF_F_NO_PREALLOC,
            _kinds("hash percpu_hash hash_of_maps lpm_trie") | _STORAGES,
            "memory for an entry is taken when it is inserted",
        ),
        MapFlag(
            "no_common_lru",
            c.BPF_F_NO_COMMON_LRU,
            _kinds("lru_hash lru_percpu_hash"),
            "each CPU keeps a list of its own of what was used least recently",
        ),
        MapFlag("rdonly", c.BPF_F_RDONLY, _READABLE, "user space can only read"),
        MapFlag("wronly", c.BPF_F_WRONLY, _READABLE, "user space can only write"),
        MapFlag("rdonly_prog", c.BPF_F_RDONLY_PROG, _ENTRIES, "programs can only read"),
        MapFlag("wronly_prog", c.BPF_F_WRONLY_PROG, _ENTRIES, "programs can only write"),
        MapFlag(
            "zero_seed",
            c.BPF_F_ZERO_SEED,
            _HASHES | {"bloom_filter"},
            "the order of a hash is the same in each run, for tests only",
        ),
        MapFlag(
            "mmapable",
            c.BPF_F_MMAPABLE,
            _kinds("array"),
            "shared with user space as memory, which an Array is unless this is False",
        ),
        MapFlag(
            "preserve_elems",
            c.BPF_F_PRESERVE_ELEMS,
            _kinds("perf_event_array"),
            "entries stay when the process that put them in has closed the map",
        ),
        MapFlag(
            "inner_map",
            c.BPF_F_INNER_MAP,
            _kinds("array"),
            "in an array of maps beside arrays of other lengths",
        ),
        MapFlag(
            "clone",
            c.BPF_F_CLONE,
            _kinds("sk_storage"),
            "a socket made from another one gets a copy",
        ),
        MapFlag(
            "stack_build_id",
            c.BPF_F_STACK_BUILD_ID,
            _kinds("stack_trace"),
            "a place of user space is the build id of a file, and the offset in it",
        ),
        MapFlag(
            "rb_overwrite",
            c.BPF_F_RB_OVERWRITE,
            _kinds("ringbuf"),
            "a full ring buffer drops its oldest records",
        ),
    )
}
#: Kinds that take ``BPF_F_NUMA_NODE``.
NUMA_KINDS = (
    _kinds("hash lru_hash array lpm_trie queue stack bloom_filter stack_trace cgroup_array")
    | _kinds("prog_array perf_event_array array_of_maps hash_of_maps cpumap")
    | _SOCKETS
    | _RINGS
)
