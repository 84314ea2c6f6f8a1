"""Functions of the kernel and of processes, whole arrays of addresses at once.

Shapes below: ``n`` addresses, ``u`` different ones.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.runtime.symbols.build_ids import ADDRESS, VALID, BuildIds
from pyebpf.runtime.symbols.files import Files
from pyebpf.runtime.symbols.frame import Frame
from pyebpf.runtime.symbols.kernel import KernelSymbols
from pyebpf.runtime.symbols.process import ProcessSymbols
from pyebpf.runtime.symbols.table import Numbers, Rows


class Symbols:
    """What is at addresses. Everything is read when it is first needed, and kept.

    Of processes, what was seen of them is kept too: they are known by their numbers after they have
    ended, and a number that another process gets means the first one still.
    """

    def __init__(self) -> None:
        self._files = Files()
        self._kernel = KernelSymbols()
        self._processes: dict[int, ProcessSymbols] = {}
        self._build_ids = BuildIds(self._files)

    def remember(self, what: int | str | os.PathLike[str]) -> None:
        """Keep what is needed to name functions of a process when it has ended.

        Its memory is looked at, and what cannot be read later is read: files of a container, files
        that were deleted, what compilers inside it wrote. Call it again when it has loaded more.

        Args:
            what: the process; or the path of a file, for stacks with build ids.

        Cost: about 1 ms; for a container the time to read the symbols of its files.
        """
        if isinstance(what, int):
            process = self._process(what)
            process.remember()
            self._build_ids.add(process)
        else:
            self._build_ids.add_file(os.fspath(what))

    def forget(self, pid: int) -> None:
        """Forget a process: its number then means the one that has it now."""
        self._processes.pop(pid, None)

    def frames(
        self, addresses: NDArray[Any] | Sequence[int], pid: int = 0, *, stack: bool = False
    ) -> list[Frame]:
        """Return what is at addresses.

        Args:
            addresses: ``(n,)``, numbers, or the places in files that a ``StackTrace`` with build
                ids gives.
            pid: the process; 0 for the kernel.
            stack: it is a call stack, innermost first: all but the first address are where a call
                returns to, and belong to the function of the byte before.

        Shape:  n frames.
        Cost:   for each different address some µs; the first of the kernel 0.1 s, the first in a
            file its symbols.
        """
        places = np.asarray(addresses)
        if places.dtype.names is None:
            places = np.asarray(addresses, np.uint64)
        callers = np.full(len(places), stack)
        callers[:1] = False
        frames, numbers = self.different(places, callers, pid)
        return [frames[number] for number in numbers.tolist()]

    def names(
        self, addresses: NDArray[Any] | Sequence[int], pid: int = 0, *, stack: bool = False
    ) -> list[str]:
        """Return :meth:`frames` as text: functions, files in brackets, or addresses."""
        return [str(frame) for frame in self.frames(addresses, pid, stack=stack)]

    def different(
        self, places: NDArray[Any], callers: NDArray[np.bool_], pid: int
    ) -> tuple[list[Frame], Rows]:
        """Return what is at the places of many stacks, each different place once.

        Args:
            places: ``(n,)`` of ``uint64``, or of places in files.
            callers: ``(n,)``: where the byte before is to be looked up.
            pid: the process; 0 for the kernel.

        Returns:
            u frames, and ``(n,)``: which of them is at each place.
        """
        frames: list[Frame] = []
        numbers = np.zeros(len(places), np.int64)
        in_files = places.dtype.names is not None
        addresses: Numbers = places["offset"] if in_files else places
        plain = places["status"] == ADDRESS if in_files else np.ones(len(places), bool)
        source = self._process(pid) if pid else self._kernel
        groups = [(plain, source.frames)]
        if in_files:
            groups += self._groups_of_files(places, pid)
        for chosen, look_up in groups:
            for back in (0, 1):
                here = np.flatnonzero(chosen & (callers == bool(back)))
                distinct, which = np.unique(addresses[here], return_inverse=True)
                numbers[here] = which + len(frames)
                found = look_up(distinct - np.uint64(back)) if len(distinct) else []
                frames += [_after(frame, back) for frame in found]
        return frames, numbers

    def _groups_of_files(self, places: NDArray[Any], pid: int) -> list[tuple[Any, Any]]:
        """Return for each build id which places have it, and what looks them up."""
        if pid:
            self._build_ids.add(self._process(pid))
        valid = places["status"] == VALID
        idents = np.ascontiguousarray(places["build_id"]).view("S20")[:, 0]
        found = []
        for ident in np.unique(idents[valid]):
            padded = bytes(ident).ljust(20, b"\0")

            def look_up(distinct: Numbers, padded: bytes = padded) -> list[Frame]:
                return self._build_ids.frames(padded, distinct)

            found.append((valid & (idents == ident), look_up))
        return found

    def _process(self, pid: int) -> ProcessSymbols:
        if pid not in self._processes:
            self._processes[pid] = ProcessSymbols(pid, self._files)
        return self._processes[pid]


def _after(frame: Frame, back: int) -> Frame:
    """Return the frame of an address whose ``back``-th byte before was looked up."""
    if not back:
        return frame
    offset = frame.offset + back if frame.name or frame.module else 0
    return Frame(frame.address + back, frame.name, offset, frame.module)
