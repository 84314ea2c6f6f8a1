"""Open maps as Python mappings and numpy arrays: one class for each family of kinds."""

from __future__ import annotations

from pyebpf.runtime.maps.array import ArrayMap
from pyebpf.runtime.maps.base import EntryMap, MapHandle
from pyebpf.runtime.maps.hash import HashMap
from pyebpf.runtime.maps.hist import HistView
from pyebpf.runtime.maps.of_maps import OfMaps
from pyebpf.runtime.maps.percpu import PerCpuArrayMap
from pyebpf.runtime.maps.places import PLACES, PlaceMap
from pyebpf.runtime.maps.queues import BloomMap, QueueMap
from pyebpf.runtime.maps.stacks import StackTraceMap
from pyebpf.runtime.maps.storage import ObjectMap
from pyebpf.runtime.maps.tries import LpmMap
from pyebpf.spec.objects import MapSpec

#: By the kind's name in ``pyebpf.abi.maps``. Kinds without a row have no entries that Python reads.
MAP_VIEWS: dict[str, type[MapHandle]] = {
    "hash": HashMap,
    "lru_hash": HashMap,
    "percpu_hash": HashMap,
    "lru_percpu_hash": HashMap,
    "rhash": HashMap,
    "lpm_trie": LpmMap,
    "stack_trace": StackTraceMap,
    "array": ArrayMap,
    "percpu_array": PerCpuArrayMap,
    **dict.fromkeys(PLACES, PlaceMap),
    "cgroup_storage": HashMap,
    "percpu_cgroup_storage": HashMap,
    "array_of_maps": OfMaps,
    "hash_of_maps": OfMaps,
    "queue": QueueMap,
    "stack": QueueMap,
    "bloom_filter": BloomMap,
    "task_storage": ObjectMap,
    "inode_storage": ObjectMap,
    "sk_storage": ObjectMap,
    "cgrp_storage": ObjectMap,
}


def open_map(fd: int, spec: MapSpec) -> MapHandle:
    """Return the view for an open map. It owns ``fd`` from here on."""
    return MAP_VIEWS.get(spec.kind, MapHandle)(fd, spec)


OfMaps.opener = staticmethod(open_map)


__all__ = [
    "MAP_VIEWS",
    "ArrayMap",
    "BloomMap",
    "EntryMap",
    "HashMap",
    "HistView",
    "LpmMap",
    "MapHandle",
    "ObjectMap",
    "OfMaps",
    "PerCpuArrayMap",
    "PlaceMap",
    "QueueMap",
    "StackTraceMap",
    "open_map",
]
