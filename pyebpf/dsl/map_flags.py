"""Flags of maps in declarations: ``Hash[u32, u64](no_prealloc=True)``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias

from pyebpf.abi.constants import BPF_F_NUMA_NODE
from pyebpf.abi.map_flags import MAP_FLAGS, NUMA_KINDS
from pyebpf.dsl.constants import ConstDecl, value_of
from pyebpf.errors import PyebpfError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypedDict
else:

    class TypedDict:
        """For checkers only: to make a real one imports `ast` at every start (Python 3.14)."""

        def __init_subclass__(cls, *, total: bool) -> None: ...


Path: TypeAlias = str | os.PathLike[str]


class MapFlags(TypedDict, total=False):
    """The words that declarations take; :data:`pyebpf.abi.map_flags.MAP_FLAGS` says what they do.

    ``numa_node`` is the node whose memory the map is in; ``pin`` is its path in a BPF file system,
    where it outlives the session and is shared with others: docs/pinning.md. It may be a ``Const``:
    an empty text pins nothing, and a map that is there already keeps its number of entries.
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
    stack_build_id: bool
    rb_overwrite: bool
    numa_node: int
    pin: Path


class Chosen:
    """The flags of one declaration.

    Attributes:
        bits: ``BPF_F_*``, those that were given as true.
        off: those that were given as false.
        numa_node: whose memory to take; 0 without ``BPF_F_NUMA_NODE`` in ``bits``.
        pin: where the map is pinned; None if it is not, or an option says where.
        pin_option: the ``Const`` that says where.
    """

    def __init__(self, name: str, kind: str, words: MapFlags) -> None:
        """Check the words of a declaration.

        Raises:
            PyebpfError: maps of this kind take no such flag.
        """
        self.bits = self.off = self.numa_node = 0
        pin: object = words.get("pin")
        self.name = name
        self.pin_option = pin if isinstance(pin, ConstDecl) else None
        self.pin = pin_path(name, words.get("pin")) if self.pin_option is None else None
        for word, value in words.items():
            if word == "pin":
                continue
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

    def pin_with(self, options: Mapping[Any, Any]) -> str | None:
        """Return where an option, with these values, says that the map is pinned."""
        path = value_of(self.pin_option, options)
        return pin_path(self.name, path) if path else None


def pin_path(name: str, path: Path | None) -> str | None:
    """Return where a declaration pins its map.

    Raises:
        PyebpfError: that is no absolute path.
    """
    if path is None:
        return None
    text = os.fspath(path)
    if not text.startswith("/") or text.endswith("/"):
        like = f"/sys/fs/bpf/app/{name.lower()}"
        raise PyebpfError(f"{name}: pin={path!r} is no absolute path of a file: pin={like!r}")
    return text


def _known(kind: str) -> str:
    words = [word for word, row in MAP_FLAGS.items() if kind in row.kinds]
    words += ["numa_node"] if kind in NUMA_KINDS else []
    return f"it takes {', '.join(words)}" if words else "it takes no flags"
