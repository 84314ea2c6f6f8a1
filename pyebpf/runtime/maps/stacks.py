"""Call stacks by the ids that ``get_stackid`` gave.

Shapes below: ``n`` places of a stack, ``d`` places that the map keeps of each, ``m`` stacks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.abi.constants import BPF_F_STACK_BUILD_ID
from pyebpf.present.stacks import StackCounts
from pyebpf.runtime import call, syscall
from pyebpf.runtime.maps.base import EntryMap
from pyebpf.runtime.maps.counted import counted
from pyebpf.runtime.maps.hash import HashMap
from pyebpf.runtime.symbols import Frame, Symbols
from pyebpf.runtime.symbols.build_ids import BUILD_ID, EMPTY
from pyebpf.spec.stacks import SECOND

#: So many stacks are looked up into one piece of memory, of some megabytes.
_BLOCK = 4_096


class StackTraceMap(HashMap):
    """An open ``BPF_MAP_TYPE_STACK_TRACE``: ids to addresses, innermost first.

    With ``stack_build_id=True`` a place of user space is a record instead: ``status``, the
    ``build_id`` of a file, and the ``offset`` in it.

    There may be two maps of the kernel, of which an id says which has its stack: all that is read
    here is of both.

    Attributes:
        second: the view of the second, whose ids lack the bit that tells them apart; None if there
            is one map.

    Shape:  a stack is ``(n,)`` of ``uint64`` or of records; a snapshot has values ``(m, d)``, 0
        behind the end.
    Since:  Linux 4.6.
    """

    second: StackTraceMap | None = None

    def use_second(self, fd: int) -> None:
        """Read the second map as well. It owns ``fd`` from here on."""
        self.second = StackTraceMap(fd, self.spec)

    def close(self) -> None:
        """Close both descriptors. Closing again does nothing."""
        super().close()
        if self.second is not None:
            self.second.close()

    @cached_property
    def symbols(self) -> Symbols:
        """What gives names to addresses, also to those from elsewhere."""
        return Symbols()

    def names(self, key: int, pid: int = 0) -> list[str]:
        """Return the functions of a stack, innermost first.

        A place without a name is the file in brackets, or the address in hexadecimal. Processes
        that have ended are known if they were seen before, here or by :meth:`remember`.

        Args:
            key: the id; if it is negative, as where there was no stack, there are no functions.
            pid: the process whose stack it is; 0 for a stack of the kernel.

        Shape:  n names of a stack of n addresses.
        Cost:   the first of the kernel 0.1 s, the first in a file its symbols; then some µs.
        """
        return [str(frame) for frame in self.frames(key, pid)]

    def frames(self, key: int, pid: int = 0) -> list[Frame]:
        """Return the functions of a stack like :meth:`names`, with files and offsets."""
        found = self._lookup(key)
        return [] if found is None else self.symbols.frames(found, pid, stack=True)

    def remember(self, what: int | str | os.PathLike[str]) -> None:
        """Keep what is needed to name functions of a process when it has ended.

        What naming a stack of a process sees of it is kept as well; this is for processes that may
        end before. Its memory is looked at, and what cannot be read later is read: files of a
        container, files that were deleted, what compilers inside it wrote.

        Args:
            what: the process; or the path of a file, for stacks with build ids.

        Cost: about 1 ms; for a container the time to read the symbols of its files.
        """
        self.symbols.remember(what)

    def counts(  # noqa: PLR0913 - one argument for each thing that a key may have
        self,
        samples: EntryMap,
        *,
        user: str | int | None = "user",
        kernel: str | int | None = "kernel",
        pid: str | int | None = "pid",
        comm: str | int | None = "comm",
        number: str | int | None = None,
        unit: str = "samples",
        named: Callable[[Frame], str] = str,
        take: bool = False,
    ) -> StackCounts:
        """Name the stacks that a map counts: folded text, or a flame graph.

        Args:
            samples: the open map. Its keys are records or tuples with ids of stacks, or an id of a
                kernel stack alone; its values are numbers, which are added up over CPUs.
            user: the field of the key with the id of the stack in user space, or its number in a
                tuple; a name that there is not is passed over, and so is None.
            kernel: that of the kernel's stack.
            pid: that of the process, as ``tgid()`` gives it. User stacks need it.
            comm: that of its name.
            number: one whose number stands in parentheses behind the name: ``"pid"``.
            unit: what the values are of.
            named: makes text of a function, its name by default.
            take: only what was counted since the last time: see :meth:`.HashMap.added`.

        Stacks that the map had no place for are one frame, ``[lost]``.

        Raises:
            ValueError: the key has no id of a stack, or that of a user stack and no process.
            TypeError: with ``take``, ``samples`` is no hash.

        Cost:   10 to 20 µs for each different stack, besides what :meth:`names` reads once.
        """
        fields = {"user": user, "kernel": kernel, "pid": pid, "comm": comm, "number": number}
        if take:
            if not isinstance(samples, HashMap):
                raise TypeError(f"entries are taken out of hashes: {samples.name!r} is none")
            keys, values = samples.added()
        else:
            keys, values = samples.snapshot()
        return StackCounts(counted(self, keys, values, fields, named), unit=unit)

    def several(self, ids: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the stacks of many ids, one behind the other.

        Args:
            ids: ``(m,)``.

        Returns:
            the places of all, and ``(m,)``: how many each stack has, 0 where the map has none.

        Cost: a system call for each.
        """
        blocks = [self._block(ids[at : at + _BLOCK]) for at in range(0, len(ids), _BLOCK)]
        places = np.concatenate([self.unpacked(b""), *(found for found, _ in blocks)])
        return places, np.concatenate([np.zeros(0, np.int64), *(lengths for _, lengths in blocks)])

    def _block(self, ids: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Do as :meth:`several`, in memory for all of them as the kernel has them."""
        memory = np.zeros((len(ids), self.layout.value_bytes), np.uint8)
        other = ids >= SECOND
        self._fill(memory, np.flatnonzero((ids >= 0) & ~other), ids.astype(np.uint32))
        if self.second is not None:
            rest = (ids - other * SECOND).astype(np.uint32)
            self.second._fill(memory, np.flatnonzero(other), rest)  # noqa: SLF001 - of this class
        rows = memory.view(self._place)
        lengths = np.logical_and.accumulate(~_behind(rows), axis=1).sum(axis=1, dtype=np.int64)
        return rows[np.arange(rows.shape[1]) < lengths[:, None]], lengths

    def _fill(
        self, memory: NDArray[np.uint8], numbers: NDArray[Any], keys: NDArray[np.uint32]
    ) -> None:
        """Look some of the ids up, into the rows of their numbers; others stay as they are."""
        fd, key, value = self.open_fd(), keys.ctypes.data, memory.ctypes.data
        for number in numbers.tolist():
            at = value + memory.shape[1] * number
            syscall.map_lookup(fd, key + keys.itemsize * number, at)

    def _lookup(self, key: object) -> NDArray[Any] | None:
        if isinstance(key, int | np.integer) and key < 0:
            return None  # what a probe got where there was no stack
        half, number = self._half(key)
        found = half._bytes(number)  # noqa: SLF001 - of this class
        return None if found is None else self.unpacked(found)

    def _half(self, key: object) -> tuple[StackTraceMap, object]:
        """Return which of the two maps has the stack of an id, and under which number."""
        if self.second is None or not isinstance(key, int | np.integer) or key < SECOND:
            return self, key
        return self.second, int(key) - SECOND

    def _bytes(self, key: object) -> bytes | None:
        packed = self._pack_key(key)
        memory, address = call.buffer(self.layout.value_bytes)
        if not syscall.map_lookup(self.open_fd(), call.address_of(packed), address):
            return None
        found: bytes = memory.raw[: self.layout.value_bytes]
        return found

    def _remove(self, key: object) -> bool:
        half, number = self._half(key)
        return super()._remove(key) if half is self else half._remove(number)  # noqa: SLF001

    def pop(self, key: object, default: Any = None) -> Any:
        """Remove a stack and return it, ``(n,)``, or ``default`` if there is no such id."""
        found = self._lookup(key)
        return found if found is not None and self._remove(key) else default

    def snapshot(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Copy all stacks out: ids ``(m,)``, and values ``(m, d)``, 0 behind the end."""
        own = super().snapshot()
        return own if self.second is None else _joined(own, self.second.snapshot())

    def take(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Copy all stacks out, and remove them: their ids mean nothing then.

        A stack that is kept between its copying and its removal is lost.

        Returns:
            ids ``(m,)``, and values ``(m, d)``, as :meth:`snapshot` gives them.
        """
        own = super().take()
        return own if self.second is None else _joined(own, self.second.take())

    def unpacked(self, data: bytes) -> NDArray[Any]:
        """Return the places that the kernel's bytes are, without what is behind the end.

        Shape:  ``(n,)``.
        """
        return _ended(np.frombuffer(data, self._place))

    @property
    def _place(self) -> np.dtype[Any]:
        """What a place is: an address, or a record."""
        return np.dtype(BUILD_ID if self.spec.flags & BPF_F_STACK_BUILD_ID else np.uint64)

    def values(self) -> list[Any]:
        """Return the stacks of one :meth:`snapshot`, each ``(n,)``."""
        return [_ended(row) for row in self.snapshot()[1]]

    def items(self) -> list[tuple[Any, Any]]:
        """Return ids and stacks of one :meth:`snapshot`."""
        keys, values = self.snapshot()
        return [(int(key), _ended(row)) for key, row in zip(keys, values, strict=True)]

    def __iter__(self) -> Iterator[int]:
        """Yield the ids of one :meth:`snapshot`."""
        return iter(self.keys())


def _joined(
    first: tuple[NDArray[Any], NDArray[Any]], second: tuple[NDArray[Any], NDArray[Any]]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the stacks of both maps, with ids that tell them apart."""
    ids = np.concatenate([first[0], second[0] | np.uint32(SECOND)])
    return ids, np.concatenate([first[1], second[1]])


def _ended(row: NDArray[Any]) -> NDArray[Any]:
    """Return a stack without the zeros behind it."""
    zeros = np.flatnonzero(_behind(row))
    return row[: zeros[0]] if len(zeros) else row


def _behind(places: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell of places whether they are nothing, as behind the end of a stack."""
    nothing: NDArray[np.bool_] = (places["status"] if places.dtype.names else places) == EMPTY
    return nothing
