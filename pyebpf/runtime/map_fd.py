"""Creating maps: from a :class:`MapSpec` to an owned descriptor. ``runtime.maps`` reads them."""

from __future__ import annotations

import errno
import mmap
import os
from typing import TYPE_CHECKING

from pyebpf.abi import constants as c
from pyebpf.abi.maps import MAP_KINDS, MapKind
from pyebpf.errors import KernelError, LoadError, PinError
from pyebpf.host.cpus import possible
from pyebpf.lazy import lazy
from pyebpf.owner import Owner
from pyebpf.runtime import syscall
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.target import Features

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.runtime import bpffs, pinned_map
else:
    bpffs = lazy("pyebpf.runtime.bpffs")
    pinned_map = lazy("pyebpf.runtime.pinned_map")

#: What a descriptor of a map is not for. The map itself has no such flag.
ONE_SIDED = c.BPF_F_RDONLY | c.BPF_F_WRONLY
_RINGS = ("ringbuf", "user_ringbuf")


class MapFd(Owner):
    """An open map. It owns its descriptor.

    Attributes:
        fd: the descriptor; -1 when closed.
        spec: what it was made from, with the sizes it really has.
        name: its name in the object.
        reused: whether it was pinned by somebody before, and is shared with them.
        load_types: loads the BTF that the spec's types are in; gives a descriptor of it, or 0.
    """

    load_types: Callable[[], int] | None = None

    def __init__(self, fd: int, spec: MapSpec, name: str, *, reused: bool = False) -> None:
        self.fd, self.spec, self.name, self.reused = fd, spec, name, reused

    def fileno(self) -> int:
        """Return the descriptor."""
        return self.fd

    def close(self) -> None:
        """Close the descriptor. Closing twice is no error."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __repr__(self) -> str:
        return f"<MapFd {self.name!r} ({self.spec.kind}), descriptor {self.fd}>"


def create_map(spec: MapSpec, btf_fd: int = 0, *, features: Features | None = None) -> MapFd:
    """Create a map, give it its initial data, and freeze it if its spec says so.

    What is pinned at ``spec.pinning`` is opened instead; if nothing is, the new map is pinned.

    Args:
        spec: what to create. A ring buffer's size is rounded up to a power of two of whole pages,
            and a perf event array of size 0 gets one entry for each CPU.
        btf_fd: the object's BTF, loaded; 0 for none.
        features: what the kernel can do; without it, everything.

    Raises:
        KernelError: the kernel refuses; the message has the name, the kind and the sizes.
        PinError: something else is pinned in its place, or it cannot be pinned there.
    """
    row = MAP_KINDS.get(spec.kind)
    if row is None:
        raise LoadError(f"map {spec.name!r}: there is no kind of map called {spec.kind!r}")
    spec = adjusted(spec, features)
    if spec.pinning:
        return _pinned(spec, row, btf_fd, features)
    return _create(spec, row, btf_fd, features)


def _create(spec: MapSpec, row: MapKind, btf_fd: int, features: Features | None) -> MapFd:
    inner = create_map(spec.inner, btf_fd, features=features) if spec.inner else None
    try:
        fd = _create_fd(spec, row, btf_fd, inner.fd if inner else 0)
    finally:
        if inner:
            inner.close()
    created = MapFd(fd, spec, spec.name)
    try:
        _fill(created)
    except BaseException:
        created.close()
        raise
    return created


def adjusted(spec: MapSpec, features: Features | None = None) -> MapSpec:
    """Return what is really created: with sizes that the kernel takes, without flags it lacks."""
    entries, flags = spec.max_entries, spec.flags
    if spec.kind in _RINGS:
        entries = ring_size(entries)
    elif spec.kind == "perf_event_array" and not entries:
        entries = possible()[-1] + 1  # the index is the number of the CPU
    if features and not features.has("mmap_array"):
        flags &= ~c.BPF_F_MMAPABLE
    if (entries, flags) == (spec.max_entries, spec.flags):
        return spec
    return spec.replace(max_entries=entries, flags=flags)


def ring_size(size: int) -> int:
    """Return the size in bytes that the kernel accepts for a ring buffer: ``size`` or more.

    Source: ``kernel/bpf/ringbuf.c`` (``ringbuf_map_alloc``).
    """
    return 1 << (max(size, mmap.PAGESIZE) - 1).bit_length()


def _create_fd(spec: MapSpec, row: MapKind, btf_fd: int, inner_fd: int) -> int:
    key_type, value_type = (spec.key_type, spec.value_type) if row.has_btf else (0, 0)
    if not btf_fd or not value_type:
        key_type = value_type = btf_fd = 0
    try:
        return _call(spec, row, (btf_fd, key_type, value_type), inner_fd)
    except KernelError as refusal:
        # Which kinds take which types differs between kernels (an array wants an int as its
        # key), and only the kernel knows. Views take their types from the spec, so nothing is
        # lost without.
        if not btf_fd or refusal.errno not in _BTF_REFUSALS:
            raise
        return _call(spec, row, (0, 0, 0), inner_fd)


_BTF_REFUSALS = (errno.EINVAL, errno.ENOENT, errno.EOPNOTSUPP, syscall.ENOTSUPP)


def _call(spec: MapSpec, row: MapKind, types: tuple[int, int, int], inner_fd: int) -> int:
    return syscall.map_create(
        row.id,
        spec.key_size,
        spec.value_size,
        spec.max_entries,
        flags=spec.flags,
        name=spec.name,
        btf_fd=types[0],
        key_type=types[1],
        value_type=types[2],
        inner_fd=inner_fd,
        numa_node=spec.numa_node,
        extra=spec.extra,
    )


def _fill(created: MapFd) -> None:
    spec = created.spec
    if spec.initial is not None and spec.initial.strip(b"\0"):
        value = spec.initial.ljust(spec.value_size, b"\0")
        syscall.map_fill(created.fd, value)
    if spec.frozen:
        syscall.map_freeze(created.fd)


def _pinned(spec: MapSpec, row: MapKind, btf_fd: int, features: Features | None) -> MapFd:
    """Open what is pinned, or create and pin it; whoever pins first wins."""
    path = spec.pinning or ""
    opened = _open_pinned(spec, btf_fd, path)
    if opened:
        return opened
    created = _create(spec, row, btf_fd, features)
    try:
        bpffs.pin(created.fd, path)
    except PinError:
        created.close()
        opened = _open_pinned(spec, btf_fd, path)
        if opened is None:
            raise
        return opened
    except BaseException:
        created.close()
        raise
    return created


def _open_pinned(spec: MapSpec, btf_fd: int, path: str) -> MapFd | None:
    # Most often nothing is there: a look costs less than a refusal to explain.
    if not os.path.lexists(path):
        return None
    kind, fd = bpffs.open_pinned(path, spec.flags & ONE_SIDED)
    opened = MapFd(fd, spec, spec.name, reused=True)
    try:
        pinned_map.check(kind, fd, spec, btf_fd, path)
    except BaseException:
        opened.close()
        raise
    return opened
