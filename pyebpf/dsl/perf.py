"""Perf events by CPU: buffers that programs write records to, and counters that they read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pyebpf.abi.constants import BPF_F_CURRENT_CPU
from pyebpf.dsl.annotations import data_type
from pyebpf.dsl.map_flags import Chosen
from pyebpf.dsl.map_verbs import Gives, HelperVerb
from pyebpf.dsl.maps import MapDecl
from pyebpf.errors import PyebpfError
from pyebpf.spec.events import EventShape
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.types import U32, U64, DataType, record

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyebpf.dsl.map_flags import MapFlags

R = TypeVar("R")
#: ``struct bpf_perf_event_value`` of ``include/uapi/linux/bpf.h``.
COUNTED = record("bpf_perf_event_value", [("counter", U64), ("enabled", U64), ("running", U64)])


class PerfEventArray(MapDecl, Generic[R]):
    """A buffer for each CPU, for kernels without ring buffers: ``PerfEventArray[Opened](pages=8)``.

    ``session[decl]`` gives records as of :class:`Events`, in order on each CPU. Without a type it
    is a counter for each CPU, which ``session[decl].open(type, config)`` starts, and a program
    reads.

    Args:
        pages: the size of each buffer in pages of 4096 bytes, a power of two.
        flags: see :class:`pyebpf.dsl.map_flags.MapFlags`.

    Since:  Linux 4.3; records 4.4.
    """

    kind = "perf_event_array"
    verbs: ClassVar = {
        "emit": HelperVerb("perf_event_output", Gives.LOST, flags=BPF_F_CURRENT_CPU),
        "read": HelperVerb(
            "perf_event_read_value", Gives.TAKEN, default=BPF_F_CURRENT_CPU, last="cpu"
        ),
    }

    def __init__(self, pages: int = 8, **flags: Unpack[MapFlags]) -> None:
        if pages < 1 or pages & (pages - 1):
            raise PyebpfError(f"PerfEventArray(pages={pages}): the kernel wants a power of two")
        self.pages = pages
        self.chosen = Chosen("PerfEventArray", self.kind, flags)
        self.pin = self.chosen.pin

    def record(self) -> DataType | None:
        """Return the layout of what is sent; None for counters."""
        args = self.type_arguments()
        kind = data_type(args[0]) if args else None
        if args and kind is None:
            raise PyebpfError(f"PerfEventArray: {args[0]!r} has no size in the kernel")
        return kind

    def shape(self) -> EventShape | None:
        """Say how records lie in the buffers; None for counters."""
        kind = self.record()
        return EventShape((kind,), perf=True) if kind else None

    def stored(self) -> DataType:
        return self.record() or COUNTED

    def spec(self, name: str, cpus: int) -> MapSpec:
        bits, node = self.chosen.bits, self.chosen.numa_node
        return MapSpec(name, self.kind, 4, 4, cpus, bits, U32, U32, numa_node=node)

    def emit(self, record: R) -> None:
        """Send one record to the buffer of this CPU; without room, it is counted as lost."""
        self._outside("emit()")

    def read(self, cpu: int = BPF_F_CURRENT_CPU) -> Any:
        """Return a counter as a record of ``counter``, ``enabled``, ``running``; None without one.

        The last two are nanoseconds that it was wanted, and that it really counted.

        Args:
            cpu: whose; the kernel gives the one of this CPU only, to most programs.

        Since:  Linux 4.15.
        """
        self._outside("read()")
