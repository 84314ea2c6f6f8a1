"""Declarations of aggregates: what is made of values in the kernel, one row for each CPU and key.

Each can be one, or one for each key: ``Count()``, ``Count[u32]()``. What is full is told, what is
counted is exact: ``docs/aggregations.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, overload

from pyebpf.abi.constants import BPF_F_MMAPABLE
from pyebpf.dsl.annotations import data_type
from pyebpf.dsl.map_flags import pin_path
from pyebpf.dsl.maps import MapDecl, room
from pyebpf.errors import PyebpfError
from pyebpf.spec.aggregates import (
    CELL,
    AggregateSpec,
    HistogramSpec,
    SeriesSpec,
    SummarySpec,
    log2_slots,
    row_length,
)
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.types import U32, U64, Array, DataType

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from pyebpf.dsl.map_flags import Path

    K = TypeVar("K", default=Any)
else:
    from typing import TypeVar

    K = TypeVar("K")

_MOST_SUB_BUCKETS = 64
#: The kernel has no value of a per-CPU hash that is larger (``PCPU_MIN_UNIT_SIZE``).
_LARGEST_ROW = 32_768
_NS_PER_S = 1_000_000_000


class Aggregate(MapDecl, Generic[K]):
    """What is made of values: every CPU adds into a row of its own.

    Attributes:
        values: how many values ``add`` takes, at least and at most.
    """

    values: ClassVar[tuple[int, int]] = (1, 1)

    def __init__(self, key: Any, max_keys: int, pin: Path | None) -> None:
        name = type(self).__name__
        self.pin = pin_path(name, pin)
        self.key = key
        self.max_keys = room(name, "max_keys", max_keys)

    def key_type(self) -> DataType | None:
        """Return the type of the keys, or None if there are none.

        Raises:
            PyebpfError: it has no size, or is given twice.
        """
        name, inside = type(self).__name__, self.type_arguments()
        if inside and self.key is not None:
            raise PyebpfError(f"{name} is given two types of keys: leave out key=…")
        if len(inside) > 1:
            raise PyebpfError(f"{name} has one type of keys: {name}[u32], {name}[tuple[u32, u64]]")
        key = inside[0] if inside else self.key
        if key is None or key is type(None):
            return None
        kind = data_type(key)
        if kind is None:
            raise PyebpfError(f"key={key!r} has no size in the kernel; use u8 … i64, …")
        return kind

    def aggregate(self) -> AggregateSpec:
        raise NotImplementedError

    def spec(self, name: str, cpus: int) -> MapSpec:
        key, shape = self.key_type(), self.aggregate()
        row = Array(U64, row_length(shape))
        if key is None:
            return MapSpec(name, "array", 4, row.size, cpus, BPF_F_MMAPABLE, U32, row)
        if row.size > _LARGEST_ROW:
            most = _LARGEST_ROW // CELL
            raise PyebpfError(
                f"{type(self).__name__} has {shape.cells} numbers for each key, and the kernel "
                f"takes {most}: declare fewer slots or buckets, or leave out the key"
            )
        return MapSpec(name, "percpu_hash", key.size, row.size, self.max_keys, 0, key, row)


class Valued(Aggregate[K]):
    """Aggregates that a value is added to."""

    @overload
    def add(self: Valued[None], value: int, /) -> None: ...
    @overload
    def add(self, key: K, value: int, /) -> None: ...
    def add(self, *values: Any) -> None:
        """Add one value; with keys ``add(key, value)``, which is ``[key].add(value)``."""
        self._outside("add()")

    def __getitem__(self, key: K) -> Valued[None]:
        """Return the part of one key; it appears when first added to."""
        self._outside("[]")


class Log2Hist(Valued[K]):
    """Counts values by their power of two: slot ``k`` takes ``2**k <= value < 2**(k + 1)``.

    Slot 0 also takes 0 (and anything below). ``session[hist]`` gives 64 counts.

    Args:
        unit: of the values, for labels: ``"us"``.
        sub_buckets: divide each power of two into so many slots of one width, which narrows the
            error of quantiles to one part in so many: 1 (not divided), 2, 4, … 64. Values below
            twice that are counted one by one.
        key: count separately for each key of this type: ``hist[key].add(value)``; the same as
            ``Log2Hist[u32]``.
        max_keys: how many keys there may be; more are refused and counted as lost.
        totals: keep the sum of the values as well, for averages; may be a ``Const``.
        pin: its path in a BPF file system, where it outlives the session.
    """

    def __init__(
        self,
        unit: str = "",
        *,
        sub_buckets: int = 1,
        key: Any = None,
        max_keys: int = 1024,
        totals: Any = False,
        pin: Path | None = None,
    ) -> None:
        super().__init__(key, max_keys, pin)
        if sub_buckets not in [1 << bits for bits in range(_MOST_SUB_BUCKETS.bit_length())]:
            wanted = f"a power of two from 1 to {_MOST_SUB_BUCKETS}"
            raise PyebpfError(f"Log2Hist(sub_buckets={sub_buckets}): {wanted} is needed")
        self.unit = unit
        self.sub_bits = sub_buckets.bit_length() - 1
        self.totals = totals

    def aggregate(self) -> HistogramSpec:
        bits = self.sub_bits
        slots = log2_slots(1 << bits)
        kept, key = self.totals is not False, self.key_type()
        return HistogramSpec("log2", self.unit, slots, totals=kept, key=key, sub_bits=bits)


class LinearHist(Valued[K]):
    """Counts values in steps: slot ``k`` takes ``low + k * step <= value < low + (k + 1) * step``.

    Smaller values count in the first slot, larger ones in the last.

    Args:
        unit: of the values, for labels.
        slots: how many counters.
        low: the least value of the first slot.
        step: how many values each slot takes.
        key, max_keys, totals, pin: as in :class:`Log2Hist`.
    """

    def __init__(  # noqa: PLR0913 - each is a word of the declaration
        self,
        unit: str = "",
        *,
        slots: int = 64,
        low: int = 0,
        step: int = 1,
        key: Any = None,
        max_keys: int = 1024,
        totals: Any = False,
        pin: Path | None = None,
    ) -> None:
        super().__init__(key, max_keys, pin)
        if slots < 1 or step < 1:
            raise PyebpfError(f"LinearHist(slots={slots}, step={step}): both must be at least 1")
        self.unit, self.totals = unit, totals
        self.slots, self.low, self.step = slots, low, step

    def aggregate(self) -> HistogramSpec:
        kept = self.totals is not False
        return HistogramSpec(
            "linear", self.unit, self.slots, self.low, self.step, kept, self.key_type()
        )


class Count(Aggregate[K]):
    """Counts how often ``add`` is called: ``calls = Count[u32]()``, ``calls.add(tgid())``.

    Args:
        key: count separately for each key of this type, as ``Count[u32]`` does.
        max_keys: how many keys there may be; more are refused and counted as lost.
        pin: its path in a BPF file system, where it outlives the session.
    """

    values = (0, 0)

    def __init__(self, *, key: Any = None, max_keys: int = 1024, pin: Path | None = None) -> None:
        super().__init__(key, max_keys, pin)

    def aggregate(self) -> SummarySpec:
        return SummarySpec("count", key=self.key_type())

    @overload
    def add(self: Count[None], /) -> None: ...
    @overload
    def add(self, key: K, /) -> None: ...
    def add(self, *values: Any) -> None:
        """Count one; with keys ``add(key)``, which is ``[key].add()``."""
        self._outside("add()")

    def __getitem__(self, key: K) -> Count[None]:
        """Return the count of one key; it appears when first added to."""
        self._outside("[]")


class Summarized(Valued[K]):
    """Numbers made of values.

    Args:
        unit: of the values, for labels: ``"us"``.
        signed: values may be negative; they then have 63 bits and a sign, else 64 bits.
        key, max_keys, pin: as in :class:`Count`.
    """

    summary: ClassVar[str]

    def __init__(
        self,
        unit: str = "",
        *,
        signed: bool = False,
        key: Any = None,
        max_keys: int = 1024,
        pin: Path | None = None,
    ) -> None:
        super().__init__(key, max_keys, pin)
        self.unit, self.signed = unit, signed

    def aggregate(self) -> SummarySpec:
        return SummarySpec(self.summary, self.unit, self.signed, self.key_type())


class Sum(Summarized[K]):
    """The sum of the values added; it wraps at 64 bits.

    Args:
        unit: of the values, for labels: ``"bytes"``.
        signed: values and sum may be negative.
        key, max_keys, pin: as in :class:`Count`.
    """

    summary = "sum"


class Min(Summarized[K]):
    """The least value added. Its arguments are those of :class:`Sum`."""

    summary = "min"


class Max(Summarized[K]):
    """The greatest value added. Its arguments are those of :class:`Sum`."""

    summary = "max"


class Average(Summarized[K]):
    """The average of the values, by count and sum. Its arguments are those of :class:`Sum`."""

    summary = "average"


class Stats(Summarized[K]):
    """Count, sum, average, least and greatest value. Its arguments are those of :class:`Sum`."""

    summary = "stats"


class TimeSeries(Aggregate[K]):
    """Counts and sums of what was added in each step of time: the last ``buckets`` steps.

    Args:
        unit: of the values, for labels.
        step: how long a bucket is.
        buckets: how many are kept; older ones make room.
        signed, key, max_keys, pin: as in :class:`Sum`.

    Units:  step: seconds.
    """

    values = (0, 1)

    def __init__(  # noqa: PLR0913 - each is a word of the declaration
        self,
        unit: str = "",
        *,
        step: float = 1,
        buckets: int = 60,
        signed: bool = False,
        key: Any = None,
        max_keys: int = 1024,
        pin: Path | None = None,
    ) -> None:
        super().__init__(key, max_keys, pin)
        self.step_ns = round(step * _NS_PER_S)
        if self.step_ns < 1 or buckets < 2:
            given = f"TimeSeries(step={step}, buckets={buckets})"
            raise PyebpfError(f"{given}: a step is 1e-9 s or more, and there are 2 buckets or more")
        self.unit, self.buckets, self.signed = unit, buckets, signed

    def aggregate(self) -> SeriesSpec:
        return SeriesSpec(self.step_ns, self.buckets, self.unit, self.signed, self.key_type())

    @overload
    def add(self: TimeSeries[None], value: int = 1, /) -> None: ...
    @overload
    def add(self, key: K, value: int = 1, /) -> None: ...
    def add(self, *values: Any) -> None:
        """Count one value in the bucket of now; with keys ``add(key, value)``."""
        self._outside("add()")

    def __getitem__(self, key: K) -> TimeSeries[None]:
        """Return the series of one key; it appears when first added to."""
        self._outside("[]")
