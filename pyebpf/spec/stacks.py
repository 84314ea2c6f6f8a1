"""Call stacks in two maps: what programs and their readers agree on.

A map of stacks of the kernel has one place for each hash, so two stacks that share one exclude each
other. What the first map refuses, a second of the same places is asked for: only a third stack with
a hash is lost. Both maps together have as much memory as one would: the kernel makes the places a
power of two, and memory for so many stacks as it is told, so each is made for half of them and one
more.

Source: ``stack_map_alloc`` and ``bpf_get_stackid`` of ``kernel/bpf/stackmap.c``.
"""

from __future__ import annotations

from pyebpf.abi.constants import BPF_F_STACK_BUILD_ID
from pyebpf.spec.types import I32, U8, U64, Array, record

#: ``struct bpf_stack_build_id`` of ``include/uapi/linux/bpf.h``.
PLACE = record(
    "bpf_stack_build_id", [("status", I32), ("build_id", Array(U8, 20)), ("offset", U64)]
)
#: Ids of the second map have this bit. No map has so many places.
SECOND = 1 << 30
#: What stands behind a path where the first map is pinned, for the second. (The file system has no
#: names with dots.)
SECOND_PIN = "_second"


def stack_type(depth: int, *, build_ids: bool) -> Array:
    """Return the type of a stack of ``depth`` places: addresses, or where they are in files."""
    return Array(PLACE if build_ids else U64, depth)


def type_of_value(size: int, flags: int) -> Array:
    """Return the type of the values of a map that there is: by their size, and its flags."""
    build_ids = bool(flags & BPF_F_STACK_BUILD_ID)
    return stack_type(size // stack_type(1, build_ids=build_ids).size, build_ids=build_ids)


def places(stacks: int) -> int:
    """Return how many places a map has that is made for a number of stacks."""
    return 1 << (stacks - 1).bit_length()


def entries_of_each(stacks: int, *, build_ids: bool) -> int:
    """Return with how many entries each of the two maps is made.

    Args:
        stacks: how many stacks were asked for.
        build_ids: whether they keep build ids. The kernel then takes memory for a stack before it
            looks whether it knows it, and a map that has none left refuses all of them: so each
            map has memory for all of its places.

    >>> entries_of_each(16_384, build_ids=False), places(8_193)
    (8193, 16384)
    """
    whole = places(stacks)
    return whole if build_ids else whole // 2 + 1
