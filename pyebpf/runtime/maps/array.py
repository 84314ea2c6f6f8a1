"""Array maps, in place where the kernel lets us map them.

Shapes below: ``n`` elements.
"""

from __future__ import annotations

import mmap
import os
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.abi import constants as c
from pyebpf.errors import KernelError
from pyebpf.runtime import syscall
from pyebpf.runtime.maps.base import EntryMap
from pyebpf.runtime.maps.exchange import Exchange, is_exchangeable
from pyebpf.spec.objects import MapSpec

#: Shared memory needs a descriptor that is for both.
_ONE_SIDED = c.BPF_F_RDONLY | c.BPF_F_WRONLY


class ArrayElements(EntryMap):
    """What arrays have in common: ``n`` elements, all there from the start, none to be removed."""

    #: Takes without losing anything; None until it is needed, and where it cannot be.
    _exchange: Exchange | None = None
    _exchangeable = True

    def __len__(self) -> int:
        return self.spec.max_entries

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int | np.integer) and 0 <= int(key) < len(self)

    def get(self, key: object, default: Any = None) -> Any:
        """Return a copy of an element, or ``default`` past the end."""
        found = self._lookup(key) if key in self else None
        return default if found is None else found

    def keys(self) -> list[int]:
        """Return ``0`` to ``n - 1``."""
        return list(range(len(self)))

    def take(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Copy all elements out and set them to zero: numbers of 4 and 8 bytes in one step each.

        So what programs add is here or in the next taking, since Linux 5.12. Before, in smaller
        numbers and text, and beside locks and timers, what they store between the two is lost.

        Returns:
            keys ``(n,)`` of ``u32``, and values ``(n,)`` or ``(n, c)``.

        Cost:   some µs; the first time a millisecond, to load the program that does it.
        """
        self._check_writable()
        raw = self._exchanged()
        if raw is None:
            taken = self.snapshot()
            self.clear()
            return taken
        lead = raw.shape[:-1]
        strides = raw.strides[:-1]
        values = self.layout.value.copied(self.layout.value.over(raw, lead, strides))
        return np.arange(len(self), dtype=np.uint32), values

    def _exchanged(self) -> NDArray[np.uint8] | None:
        """Return the bytes of all elements, ``(n, bytes)`` or ``(n, c, bytes)``, if that can be."""
        fd = self.open_fd()
        if self._exchange is None and self._exchangeable and is_exchangeable(self.spec):
            try:
                self._exchange = Exchange(fd, self.spec, self.layout)
            except OSError:  # an older kernel, or one that lets this process load no programs
                self._exchangeable = False
        return self._exchange.take() if self._exchange else None

    def close(self) -> None:
        """Close the descriptor."""
        if self._exchange is not None:
            self._exchange.close()
        super().close()

    def clear(self) -> None:
        """Set all elements to zero."""
        n = len(self)
        zeros = np.zeros((n, self.layout.value_bytes), np.uint8)
        self._store(np.arange(n, dtype=np.uint32), zeros)

    def _check_writable(self) -> None:
        if self.spec.frozen:
            raise TypeError(f"map {self.name!r} is read-only: its values were fixed at load time")

    def _pack_key(self, key: object) -> bytes:
        return super()._pack_key(self._checked(key))

    def _checked(self, key: object) -> int:
        try:
            at = index(key)  # type: ignore[arg-type]  # refusing what is no integer is the purpose
        except TypeError:
            message = f"map {self.name!r} is an array: its key is an integer, not {key!r:.60}"
            raise TypeError(message) from None
        if not 0 <= at < len(self):
            raise IndexError(f"map {self.name!r} has elements 0 to {len(self) - 1}, not {at}")
        return at


class ArrayMap(ArrayElements):
    """An open ``BPF_MAP_TYPE_ARRAY``. With ``BPF_F_MMAPABLE`` it is read and written in place.

    Since:  Linux 3.19; in place 5.5 (feature ``map.mmap``).
    """

    def __init__(self, fd: int, spec: MapSpec) -> None:
        super().__init__(fd, spec)
        self._memory = _mapped(fd, spec, self.layout.stride) if _is_mapped(fd, spec) else None
        self._live: NDArray[Any] | None = None
        if self._memory is not None:
            stride = (self.layout.stride,)
            self._live = self.layout.value.over(self._memory, (spec.max_entries,), stride)

    def view(self) -> NDArray[Any]:
        """Return the kernel's memory itself: programs' writes show in it, and ours show to them.

        A view may outlive this handle; the memory stays as long as a view does. An array that is
        frozen, or that programs may only read, gives a read-only view.

        Shape:  ``(n,)`` of the value's dtype, elements at multiples of 8 bytes.

        Raises:
            TypeError: the map was not declared to be mapped, or numpy cannot show it in place.
        """
        self.layout.value.need_view()
        if self._live is None:
            why = "BPF_F_MMAPABLE is not among its flags; use snapshot(), or declare it mmap-able"
            if is_mmapable(self.spec) or self.spec.flags & _ONE_SIDED:
                why = "the kernel maps none that user space may only read or only write"
            raise TypeError(f"map {self.name!r} cannot be viewed in place: {why}")
        return self._live

    def snapshot(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Copy all elements out: keys ``(n,)`` of ``u32``, and values ``(n,)``.

        Cost:   no system call if the map is mmap-able.
        """
        if self._live is None:
            return super().snapshot()
        return np.arange(len(self), dtype=np.uint32), self.layout.value.copied(self._live.copy())

    def clear(self) -> None:
        """Set all elements to zero."""
        self._check_writable()
        if self._live is None or not self._live.flags.writeable:
            super().clear()
            return
        self._live[...] = np.zeros((), self.layout.value.dtype)

    def close(self) -> None:
        """Close the descriptor. The memory is unmapped when no view of it is held any more."""
        # Never ``mmap.close()``: numpy takes the address and gives the buffer back, so closing
        # would succeed and leave views that crash. Each view keeps the mapping by reference.
        self._live = self._memory = None
        super().close()

    def _lookup(self, key: object) -> Any:
        if self._memory is None:
            return super()._lookup(key)
        start = self._checked(key) * self.layout.stride
        return self.layout.value.unpack(self._memory[start : start + self.spec.value_size])

    def __setitem__(self, key: object, value: object) -> None:
        """Store one element."""
        self._check_writable()
        if self._memory is None or self.spec.flags & c.BPF_F_RDONLY_PROG:
            super().__setitem__(key, value)
            return
        start = self._checked(key) * self.layout.stride
        self._memory[start : start + self.spec.value_size] = self.layout.pack_value(value)


def is_mmapable(spec: MapSpec) -> bool:
    """Tell whether the map was declared to be mapped into user space."""
    return bool(spec.flags & c.BPF_F_MMAPABLE)


def _is_mapped(fd: int, spec: MapSpec) -> bool:
    return is_mmapable(spec) and syscall.map_access(fd) == os.O_RDWR


def _mapped(fd: int, spec: MapSpec, stride: int) -> mmap.mmap:
    # What programs take for constant, the kernel maps for reading only; updates go by calls.
    read_only = spec.frozen or spec.flags & c.BPF_F_RDONLY_PROG
    protection = mmap.PROT_READ if read_only else mmap.PROT_READ | mmap.PROT_WRITE
    length = stride * spec.max_entries
    try:
        return mmap.mmap(fd, length, mmap.MAP_SHARED, protection)
    except OSError as err:
        message = f"map {spec.name!r}: cannot map its {length} bytes: {err.strerror}"
        raise KernelError(err.errno or 0, message) from err
