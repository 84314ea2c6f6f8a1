"""Open maps as Python mappings and numpy arrays: one class for each family of kinds."""

from __future__ import annotations

from pyebpf.runtime.maps.array import ArrayMap
from pyebpf.runtime.maps.base import EntryMap, MapHandle
from pyebpf.runtime.maps.hash import HashMap
from pyebpf.runtime.maps.hist import HistView
from pyebpf.runtime.maps.percpu import PerCpuArrayMap
from pyebpf.runtime.maps.stacks import StackTraceMap
from pyebpf.spec.objects import MapSpec

#: By the kind's name in ``pyebpf.abi.maps``. Kinds without a row have no entries that Python reads.
MAP_VIEWS: dict[str, type[EntryMap]] = {
    "hash": HashMap,
    "lru_hash": HashMap,
    "percpu_hash": HashMap,
    "lru_percpu_hash": HashMap,
    "lpm_trie": HashMap,
    "stack_trace": StackTraceMap,
    "array": ArrayMap,
    "percpu_array": PerCpuArrayMap,
}


def open_map(fd: int, spec: MapSpec) -> MapHandle:
    """Return the view for an open map. It owns ``fd`` from here on."""
    return MAP_VIEWS.get(spec.kind, MapHandle)(fd, spec)


__all__ = [
    "MAP_VIEWS",
    "ArrayMap",
    "EntryMap",
    "HashMap",
    "HistView",
    "MapHandle",
    "PerCpuArrayMap",
    "open_map",
]
