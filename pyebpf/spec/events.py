"""How records lie in a buffer on their way to user space: what both halves must agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.plain import Frozen
from pyebpf.spec.types import U64, Chars, Record, record

if TYPE_CHECKING:
    from pyebpf.spec.types import DataType, Field

#: What ``pages=`` of buffers counts, in bytes, whatever the size of a machine's own pages.
PAGE = 4096
#: Where records need one, a word stands before each: its low half is the number of the record's
#: type, its high half the size of what follows.
PREFIX = 8
SIZE_SHIFT = 32


class EventShape(Frozen):
    """What the records of a buffer are.

    Attributes:
        kinds: the types that they may have; a record's number is its place here.
        trimmed: of a text at the end of a record only the used part is sent.
        perf: they go through perf events, which round sizes up and do not say the exact one.
    """

    kinds: tuple[DataType, ...]
    trimmed: bool = False
    perf: bool = False

    @property
    def is_tagged(self) -> bool:
        """Whether records say which type they have."""
        return len(self.kinds) > 1

    @property
    def prefix(self) -> int:
        """How many bytes stand before each record."""
        return PREFIX if self.is_tagged or (self.trimmed and self.perf) else 0

    @property
    def is_apart(self) -> bool:
        """Whether a record is built elsewhere and then copied into the buffer."""
        return self.trimmed or self.perf

    def tail(self, kind: DataType) -> Field | None:
        """Return the text at the end of a record of which only the used part is sent."""
        last = kind.fields[-1] if isinstance(kind, Record) and not kind.is_union else None
        return last if self.trimmed and last and isinstance(last.type, Chars) else None

    def stored(self, kind: DataType) -> DataType:
        """Return a record with what stands before it."""
        return record("sent", [("head", U64), ("record", kind)]) if self.prefix else kind

    def name(self) -> str:
        """Return what the records are as users write it: ``Opened | Closed``."""
        return " | ".join(str(kind) for kind in self.kinds)
