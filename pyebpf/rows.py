"""Records for people: the records of an array as Python values, by name, safe to print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from pyebpf.errors import PyebpfError
from pyebpf.lazy import lazy
from pyebpf.present.escape import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pyebpf.spec import dtype
else:
    dtype = lazy("pyebpf.spec.dtype")

T = TypeVar("T")


def rows(kind: type[T], batches: NDArray[Any] | Iterable[NDArray[Any]]) -> Iterator[T]:
    """Yield records one by one, for printing: ``row.pid``, ``row.comm``.

    Numbers are Python's, addresses those of ``ipaddress``. In text, what would act on a terminal
    instead of showing is escaped; the array has it as it is, and is the place to compute with. The
    fields of a row cannot be changed.

    Args:
        kind: the class of the records, marked ``@record``.
        batches: ``session[events]``, whose records are yielded as they come, of several types
            those of ``kind``; or an array, ``session.read(…)`` for example.

    Cost:   about 1 µs a record.

    Raises:
        PyebpfError: ``kind`` is no record, or the array holds others.
    """
    record = getattr(kind, "__pyebpf_record__", None)
    if record is None:
        raise PyebpfError(f"rows({getattr(kind, '__name__', kind)}, …): it is no @record class")
    wanted = dtype.decoded_dtype(record)
    found: Any = [batches] if hasattr(batches, "itemsize") or hasattr(batches, "tags") else batches
    for one in found:
        batch = one[kind] if hasattr(one, "tags") else one
        if batch.dtype != wanted:
            raise PyebpfError(f"rows({kind.__name__}, …): the array has {batch.dtype}")
        yield from map(shown, dtype.python_values(record, batch))


def shown(value: Any) -> Any:
    """Return a value with its texts safe to print."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, tuple):
        return tuple(map(shown, value))
    return value.mapped(shown) if isinstance(value, dtype.RecordValue) else value
