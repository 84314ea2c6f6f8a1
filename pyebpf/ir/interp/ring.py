"""A ring buffer in memory, with the kernel's rules of room.

Source:  ``kernel/bpf/ringbuf.c``: a record takes its size and a header of 8 bytes, rounded up to 8;
one byte of the buffer always stays free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.abi import constants as c
from pyebpf.ir.interp.faults import ProbeFault
from pyebpf.ir.interp.tables import Table

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.ir.interp.memory import Memory, Region
    from pyebpf.ir.nodes import Value
    from pyebpf.spec.objects import MapSpec


class _Record:
    def __init__(self, region: Region, span: Span | None) -> None:
        self.region = region
        self.span = span
        self.busy = True
        self.discarded = False

    @property
    def stride(self) -> int:
        return (self.region.size + c.BPF_RINGBUF_HDR_SZ + 7) & ~7


class Ring(Table):
    """``ringbuf``: records that programs reserve and send, read in the order of reservation."""

    def __init__(self, spec: MapSpec, memory: Memory, cpus: int) -> None:
        super().__init__(spec, memory, cpus)
        self._records: list[_Record] = []
        self._used = 0

    @property
    def pending_bytes(self) -> int:
        """How much of the buffer is taken."""
        return self._used

    def reserve(self, size: int, span: Span | None) -> int:
        """Return the address of a new record, 0 if there is no room."""
        stride = (size + c.BPF_RINGBUF_HDR_SZ + 7) & ~7
        if stride > self.spec.max_entries or self._used + stride > self.spec.max_entries - 1:
            return 0
        region = self.memory.add(bytearray(size), f"the record reserved in `{self.spec.name}`")
        region.defined = bytearray(size)
        self._records.append(_Record(region, span))
        self._used += stride
        return region.base

    def finish(self, address: int, instr: Value, *, discard: bool) -> bool:
        """Send or give up a record; False if it is none of this buffer.

        Raises:
            ProbeFault: it was finished before, or a byte of it was never written.
        """
        record = next((r for r in self._records if r.region.base == address), None)
        if record is None:
            return False
        if not record.busy:
            raise ProbeFault("a record is sent or discarded twice", instr.span)
        region = record.region
        if not discard and region.defined is not None and 0 in region.defined:
            first = region.defined.index(0)
            raise ProbeFault(f"byte {first} of {region.what} is sent unwritten", instr.span)
        record.busy, record.discarded = False, discard
        self.memory.remove(region)
        return True

    def check_finished(self) -> None:
        """Refuse a program that ends while it holds a record."""
        for record in self._records:
            if record.busy:
                raise ProbeFault(f"{record.region.what} is never sent or discarded", record.span)

    def read(self) -> list[bytes]:
        """Take the finished records out, up to the first that is still being written."""
        out = []
        while self._records and not self._records[0].busy:
            record = self._records.pop(0)
            self._used -= record.stride
            if not record.discarded:
                out.append(bytes(record.region.data))
        return out
