"""Flags of maps in declarations: ``Hash[u32, u64](no_prealloc=True)``."""

from __future__ import annotations

from typing import TypedDict

from pyebpf.abi.constants import BPF_F_NUMA_NODE
from pyebpf.abi.map_flags import MAP_FLAGS, NUMA_KINDS
from pyebpf.errors import PyebpfError


class MapFlags(TypedDict, total=False):
    """The words that declarations take; :data:`pyebpf.abi.map_flags.MAP_FLAGS` says what they do.

    ``numa_node`` is the node whose memory the map is in.
    """

    no_prealloc: bool
    no_common_lru: bool
    rdonly: bool
    wronly: bool
    rdonly_prog: bool
    wronly_prog: bool
    zero_seed: bool
    mmapable: bool
    preserve_elems: bool
    inner_map: bool
    clone: bool
    rb_overwrite: bool
    numa_node: int


class Chosen:
    """The flags of one declaration.

    Attributes:
        bits: ``BPF_F_*``, those that were given as true.
        off: those that were given as false.
        numa_node: whose memory to take; 0 without ``BPF_F_NUMA_NODE`` in ``bits``.
    """

    def __init__(self, name: str, kind: str, words: MapFlags) -> None:
        """Check the words of a declaration.

        Raises:
            PyebpfError: maps of this kind take no such flag.
        """
        self.bits = self.off = self.numa_node = 0
        for word, value in words.items():
            row = MAP_FLAGS.get(word)
            takes = NUMA_KINDS if word == "numa_node" else row.kinds if row else frozenset()
            if kind not in takes:
                raise PyebpfError(f"{name} takes no {word}=…; {_known(kind)}")
            if row is None:
                if not isinstance(value, int) or value < 0:
                    raise PyebpfError(f"{name}: numa_node={value!r} is no number of a node")
                self.bits |= BPF_F_NUMA_NODE
                self.numa_node = value
            elif value:
                self.bits |= row.bit
            else:
                self.off |= row.bit
        if {"rdonly", "wronly"} <= words.keys() or {"rdonly_prog", "wronly_prog"} <= words.keys():
            raise PyebpfError(f"{name}: a map that can be neither read nor written is of no use")


def _known(kind: str) -> str:
    words = [word for word, row in MAP_FLAGS.items() if kind in row.kinds]
    words += ["numa_node"] if kind in NUMA_KINDS else []
    return f"it takes {', '.join(words)}" if words else "it takes no flags"
