"""Memory as regions at 64-bit addresses: every access falls into one region, or is a fault.

An address is a number, as in the kernel, so converting a pointer, adding to it and comparing it
need no rules of their own. Regions are far apart: running over the end of one never hits another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir.interp.faults import ProbeFault

if TYPE_CHECKING:
    from pyebpf.ir.nodes import Value

_SHIFT = 24
#: Where a region starts in its window, so that a negative offset stays in the same window.
_START = 1 << 16
_KERNEL = 0xFFFF_8800_0000_0000
_USER = 0x0000_5500_0000_0000


class Region:
    """Some bytes at an address.

    Attributes:
        base: the address of the first byte.
        data: the bytes; shared with numpy for maps, so never resized.
        what: how messages call it: ``"variable `x`"``.
        defined: a byte for each byte of ``data``, 1 where it was written; None if all count as
            written.
        writable: whether programs may write.
    """

    __slots__ = ("base", "data", "defined", "live", "size", "what", "writable")

    def __init__(
        self, base: int, data: bytearray | memoryview, what: str, *, writable: bool = True
    ) -> None:
        self.base = base
        self.data = data
        self.size = len(data)
        self.what = what
        self.writable = writable
        self.defined: bytearray | None = None
        self.live = True


class Memory:
    """All regions of one machine."""

    def __init__(self) -> None:
        self._windows: dict[int, Region] = {}
        self._next = {True: _KERNEL >> _SHIFT, False: _USER >> _SHIFT}

    def add(
        self, data: bytearray | memoryview, what: str, *, kernel: bool = True, writable: bool = True
    ) -> Region:
        """Give bytes an address: in the kernel's half, or in a process."""
        first = self._next[kernel]
        count = (_START + len(data) + _START >> _SHIFT) + 1
        self._next[kernel] = first + count
        region = Region((first << _SHIFT) + _START, data, what, writable=writable)
        for number in range(first, first + count):
            self._windows[number] = region
        return region

    def remove(self, region: Region) -> None:
        """Make every further access to a region a fault."""
        region.live = False

    def at(self, address: int) -> Region | None:
        """Return the region that an address is in or near, if there is one."""
        return self._windows.get(address >> _SHIFT)

    def readable(self, address: int, size: int) -> bool:
        """Tell whether ``size`` bytes can be read; what a safe read asks first."""
        region = self._windows.get(address >> _SHIFT)
        if region is None or not region.live:
            return False
        offset = address - region.base
        return offset >= 0 and offset + size <= region.size

    def find(self, address: int, size: int, instr: Value) -> tuple[Region, int]:
        """Return the region of ``size`` bytes at an address, and the offset in it.

        Raises:
            ProbeFault: they are not all in one region.
        """
        region = self._windows.get(address >> _SHIFT)
        if region is None:
            raise ProbeFault(_nowhere(address, size), instr.span)
        offset = address - region.base
        if offset < 0 or offset + size > region.size:
            raise ProbeFault(_outside(region, offset, size), instr.span)
        if not region.live:
            raise ProbeFault(f"{region.what} is used after it was given back", instr.span)
        return region, offset

    def read(self, address: int, size: int, instr: Value) -> bytes:
        """Copy bytes out.

        Raises:
            ProbeFault: they are not there, or were never written.
        """
        region, offset = self.find(address, size, instr)
        check_defined(region, offset, size, instr)
        return bytes(region.data[offset : offset + size])

    def write(self, address: int, data: bytes, instr: Value) -> None:
        """Store bytes.

        Raises:
            ProbeFault: there is no such memory, or it is read-only.
        """
        region, offset = self.find(address, len(data), instr)
        if not region.writable:
            raise ProbeFault(f"{region.what} is read-only for programs", instr.span)
        end = offset + len(data)
        region.data[offset:end] = data
        if region.defined is not None:
            region.defined[offset:end] = b"\1" * len(data)


def check_defined(region: Region, offset: int, size: int, instr: Value) -> None:
    """Refuse to read what was never written."""
    defined = region.defined
    if defined is not None and 0 in defined[offset : offset + size]:
        first = defined.index(0, offset, offset + size)
        raise ProbeFault(f"byte {first} of {region.what} is read but was never written", instr.span)


def _nowhere(address: int, size: int) -> str:
    if address < 1 << 16:
        return f"None is dereferenced: {size} bytes at address {address:#x}"
    return f"there is no memory at address {address:#x} ({size} bytes)"


def _outside(region: Region, offset: int, size: int) -> str:
    return f"{size} bytes at offset {offset} of {region.what}, which has {region.size}"
