"""The commands of ``bpf(2)`` on maps. Part of :mod:`pyebpf.runtime.syscall`."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from typing import TYPE_CHECKING

from pyebpf.abi import attr as layout
from pyebpf.abi import capability
from pyebpf.abi import constants as c
from pyebpf.abi.names import map_type_name
from pyebpf.errors import KernelError, MapFullError
from pyebpf.headstart import own
from pyebpf.runtime import call, memlock, tape, token
from pyebpf.runtime.info import map_info
from pyebpf.runtime.refusal import ENOTSUPP, refusal

if TYPE_CHECKING:
    from collections.abc import Sequence


def map_create(  # noqa: PLR0913 - one argument for each field of the kernel's structure
    kind: int,
    key_size: int,
    value_size: int,
    max_entries: int,
    *,
    flags: int = 0,
    name: str = "",
    btf_fd: int = 0,
    key_type: int = 0,
    value_type: int = 0,
    vmlinux_value_type: int = 0,
    inner_fd: int = 0,
    numa_node: int = 0,
    extra: int = 0,
) -> int:
    """Create a map; return its descriptor.

    Args:
        kind: ``BPF_MAP_TYPE_*``.
        key_size: bytes.
        value_size: bytes; of one CPU's value for a per-CPU kind.
        max_entries: entries; bytes for a ring buffer.
        flags: ``BPF_F_*``.
        name: at most 15 characters arrive in the kernel; letters, digits, ``_`` and ``.``.
        btf_fd: a loaded BTF blob that ``key_type`` and ``value_type`` are ids in.
        key_type: BTF id of the key.
        value_type: BTF id of the value.
        vmlinux_value_type: BTF id in the kernel, for ``struct_ops``.
        inner_fd: a map like those that a map of maps shall hold.
        numa_node: where to allocate; needs ``BPF_F_NUMA_NODE``.
        extra: ``map_extra``, such as the number of hashes of a bloom filter.
    """
    shown = token.current()
    bit = c.BPF_F_TOKEN_FD if shown else 0
    attr = layout.MAP_CREATE.pack(
        kind, key_size, value_size, max_entries, flags | bit, inner_fd, numa_node,
        call.object_name(name), 0, btf_fd, key_type, value_type, vmlinux_value_type, extra,
    )  # fmt: skip
    if shown:
        attr += layout.MAP_CREATE_TOKEN.pack(0, shown.fd)
    result = memlock.charged(c.BPF_MAP_CREATE, attr)
    if result < 0:
        raise refusal(
            -result,
            f"creating map {name!r} ({map_type_name(kind)}, key {key_size} bytes, "
            f"value {value_size} bytes, {max_entries} entries, flags {flags:#x})",
            needs=capability.for_map(kind),
            hint=_CREATE_HINTS.get(-result, ""),
            charged=True,
            open_to_all=capability.unprivileged_map(kind),
            delegated=f"delegate_cmds=map_create,delegate_maps={map_type_name(kind)}",
        )
    return result


_CREATE_HINTS = {
    errno.EINVAL: "this kernel does not know the kind, or not with these sizes and flags",
    errno.E2BIG: "keys, values or the whole map are larger than the kernel allows",
    errno.ENOMEM: "the kernel has no memory for it: make max_entries smaller",
}


def map_lookup(fd: int, key: int, value: int, flags: int = 0) -> bool:
    """Copy the value of the key at ``key`` to address ``value``; False if there is no such key."""
    return _found(c.BPF_MAP_LOOKUP_ELEM, fd, key, value, flags)


def map_lookup_and_delete(fd: int, key: int, value: int, flags: int = 0) -> bool:
    """Copy a value out and remove it; False if there is none. Queues and stacks: ``key`` is 0."""
    return _found(c.BPF_MAP_LOOKUP_AND_DELETE_ELEM, fd, key, value, flags)


def map_update(fd: int, key: int, value: int, flags: int = 0) -> None:
    """Store the value at address ``value`` under the key at address ``key``.

    Args:
        fd: the map.
        key: address of the key; 0 for queues, stacks and bloom filters.
        value: address of the value (one for each possible CPU if the map is per-CPU).
        flags: ``BPF_ANY``, ``BPF_NOEXIST``, ``BPF_EXIST``, ``BPF_F_LOCK``.

    Raises:
        MapFullError: there is no room for another key.
        KernelError: for example ``EEXIST`` with ``BPF_NOEXIST``, ``ENOENT`` with ``BPF_EXIST``.
    """
    own.spoil()  # what is in a map that probes read belongs to how they were loaded
    result = call.bpf(c.BPF_MAP_UPDATE_ELEM, layout.MAP_ELEM.pack(fd, key, value, flags))
    if result < 0:
        raise _failure(-result, "updating", fd)


def map_fill(fd: int, value: bytes) -> None:
    """Store the only value of an array, when it is new."""
    _store(fd, bytes(4), value)


def map_set_slot(fd: int, index: int, entry: int) -> None:
    """Put a map or a program into a map of such, when that is new.

    Args:
        fd: the map of maps, or of programs.
        index: where.
        entry: the descriptor of what is put there.
    """
    key, value = (number.to_bytes(4, sys.byteorder) for number in (index, entry))
    _store(fd, key, value, held=((_VALUE, 0),))


#: Which memory of an update has the value, as ``tape`` numbers them: attribute, key, value.
_VALUE = 2


def _store(fd: int, key: bytes, value: bytes, held: Sequence[tuple[int, int]] = ()) -> None:
    at = call.address_of(key), call.address_of(value)
    attr = layout.MAP_ELEM.pack(fd, *at, c.BPF_ANY)
    result = tape.bpf(c.BPF_MAP_UPDATE_ELEM, attr, ((8, key), (16, value)), held)
    if result < 0:
        raise _failure(-result, "updating", fd)


def map_delete(fd: int, key: int) -> bool:
    """Remove the key at address ``key``; False if there is no such key."""
    return _found(c.BPF_MAP_DELETE_ELEM, fd, key, 0, 0)


def map_next_key(fd: int, key: int, next_key: int) -> bool:
    """Copy the key after the one at ``key`` (0: the first) to ``next_key``; False at the end."""
    return _found(c.BPF_MAP_GET_NEXT_KEY, fd, key, next_key, 0)


def map_lookup_batch(  # noqa: PLR0913 - one argument for each field of the kernel's structure
    fd: int,
    in_batch: int,
    out_batch: int,
    keys: int,
    values: int,
    count: int,
    *,
    delete: bool = False,
) -> tuple[int, bool]:
    """Copy up to ``count`` entries out, and remove them if ``delete``.

    Args:
        fd: the map.
        in_batch: address of the cursor that the last call left, or 0 for the first.
        out_batch: address of the next cursor: the size of a key, and at least 4 bytes.
        keys: address for ``count`` keys.
        values: address for ``count`` values.
        count: entries.
        delete: also remove what was copied.

    Returns:
        how many entries were copied, and whether there may be more. (``EINTR``, which a map that
        changes gives, is no more than that.)

    Raises:
        KernelError: ``ENOSPC`` means that ``count`` is less than one bucket holds: try a larger
        one.

    Since:  5.6 (feature ``batch_ops``).
    """
    cmd = c.BPF_MAP_LOOKUP_AND_DELETE_BATCH if delete else c.BPF_MAP_LOOKUP_BATCH
    attr = bytearray(layout.MAP_BATCH.pack(in_batch, out_batch, keys, values, count, fd, 0, 0))
    result = call.bpf(cmd, attr)
    if result < 0 and -result not in (errno.ENOENT, errno.EINTR):
        raise _failure(-result, f"reading {count} entries at once from", fd, full=False)
    return _batch_count(attr), result != -errno.ENOENT


def map_update_batch(fd: int, keys: int, values: int, count: int, flags: int = 0) -> int:
    """Store ``count`` entries; return how many were stored.

    Raises:
        MapFullError: there was no room for all.
    """
    attr = bytearray(layout.MAP_BATCH.pack(0, 0, keys, values, count, fd, flags, 0))
    result = call.bpf(c.BPF_MAP_UPDATE_BATCH, attr)
    if result < 0:
        raise _failure(-result, f"storing {count} entries at once in", fd)
    return _batch_count(attr)


def map_delete_batch(fd: int, keys: int, count: int) -> int:
    """Remove ``count`` keys; return how many were removed before the first that was missing."""
    attr = bytearray(layout.MAP_BATCH.pack(0, 0, keys, 0, count, fd, 0, 0))
    result = call.bpf(c.BPF_MAP_DELETE_BATCH, attr)
    if result < 0 and result != -errno.ENOENT:
        raise _failure(-result, f"removing {count} keys at once from", fd)
    return _batch_count(attr)


def map_freeze(fd: int) -> None:
    """Make the map read-only for user space, for good."""
    result = tape.bpf(c.BPF_MAP_FREEZE, layout.ONE_WORD.pack(fd))
    if result < 0:
        raise _failure(-result, "freezing", fd, full=False)


def map_access(fd: int) -> int:
    """Return what a descriptor of a map is for: ``O_RDWR``, ``O_RDONLY`` or ``O_WRONLY``.

    ``BPF_F_RDONLY`` and ``BPF_F_WRONLY`` belong to the descriptor; the map has no such flags.
    """
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE


def _found(cmd: int, fd: int, key: int, value: int, flags: int) -> bool:
    result = call.bpf(cmd, layout.MAP_ELEM.pack(fd, key, value, flags))
    if result >= 0:
        return True
    if result == -errno.ENOENT:
        return False
    raise _failure(-result, _VERBS[cmd], fd, full=False)


_VERBS = {
    c.BPF_MAP_LOOKUP_ELEM: "looking up a key in",
    c.BPF_MAP_LOOKUP_AND_DELETE_ELEM: "taking a value out of",
    c.BPF_MAP_DELETE_ELEM: "deleting a key of",
    c.BPF_MAP_GET_NEXT_KEY: "walking the keys of",
}


def _batch_count(attr: bytearray) -> int:
    return int.from_bytes(attr[layout.MAP_BATCH_COUNT : layout.MAP_BATCH_COUNT + 4], sys.byteorder)


def _failure(number: int, verb: str, fd: int, *, full: bool = True) -> KernelError:
    """Explain a failure on an open map, which the kernel is asked to describe."""
    try:
        info = map_info(fd)
    except KernelError:
        return refusal(number, f"{verb} the map at descriptor {fd}")
    what = f"{verb} map {info.name!r} ({map_type_name(info.type)}, {info.max_entries} entries)"
    if full and number in (errno.E2BIG, errno.ENOSPC):
        return MapFullError(number, f"{what} failed: it is full, or the index is too large")
    if number == errno.EPERM and map_access(fd) != os.O_RDWR:
        word, can = ("rdonly", "read") if map_access(fd) == os.O_RDONLY else ("wronly", "write")
        return KernelError(number, f"{what} failed: with {word}=True, user space can only {can} it")
    return refusal(number, what, needs=("CAP_BPF",), hint=_HINTS.get(number, ""))


_HINTS = {
    errno.EEXIST: "the key is already there, and BPF_NOEXIST was asked for",
    errno.ENOENT: "the key is not there, and BPF_EXIST was asked for",
    errno.ENOSPC: "the buffer is smaller than one bucket of the map: read more entries at once",
    errno.EINVAL: "this kind of map has no such operation, or not with these flags",
    **dict.fromkeys(
        (errno.EOPNOTSUPP, ENOTSUPP), "the kernel has no such operation on this kind of map"
    ),
    errno.EBUSY: "it is mapped for writing, in use, or frozen",
}
