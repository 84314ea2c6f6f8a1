"""From the bytes of records to numpy: of one type or of several, whole or trimmed.

Shapes below: ``n`` records.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.errors import FormatError
from pyebpf.present.interchange import Table
from pyebpf.spec.dtype import decoded, decoded_dtype, numpy_dtype, python_values
from pyebpf.spec.events import PREFIX, SIZE_SHIFT

if TYPE_CHECKING:
    from pyebpf.spec.events import EventShape
    from pyebpf.spec.types import DataType

_WORD = 8


class Batch:
    """Records of several types that were read at once: ``batch[Opened]`` are those of one.

    Attributes:
        kinds: the names of the types.
        tags: the number of the type of each record, in the order in which they were reserved.

    Shape:  ``tags`` is ``(n,)`` of ``u8``; the arrays have ``n`` records together.
    """

    def __init__(
        self, shape: EventShape, tags: NDArray[np.uint8], arrays: tuple[NDArray[Any], ...]
    ) -> None:
        self.kinds = tuple(str(kind) for kind in shape.kinds)
        self.tags = tags
        self._arrays = arrays

    def __len__(self) -> int:
        return len(self.tags)

    def __getitem__(self, kind: object) -> NDArray[Any]:
        """Return the records of one type, in order.

        Args:
            kind: the class, marked ``@record``, or its name.

        Raises:
            KeyError: there are no such records in this stream.

        Shape:  ``(m,)``, m ≤ n.
        """
        record = getattr(kind, "__pyebpf_record__", None)
        name = str(record) if record is not None else str(kind)
        if name not in self.kinds:
            raise KeyError(f"{name}: the records here are {' and '.join(self.kinds)}")
        return self._arrays[self.kinds.index(name)]

    def items(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield each type's name and its records, ``(n,)``."""
        return zip(self.kinds, self._arrays, strict=True)

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(array)} {name}" for name, array in self.items())
        return f"<Batch of {len(self)} records: {counts}>"


def empty(shape: EventShape) -> Batch:
    """Return a batch of no records."""
    arrays = tuple(np.empty(0, decoded_dtype(kind)) for kind in shape.kinds)
    return Batch(shape, np.empty(0, np.uint8), arrays)


def joined(shape: EventShape, parts: list[Batch]) -> Batch:
    """Return batches as one, in their order."""
    arrays = (np.concatenate([part[str(kind)] for part in parts]) for kind in shape.kinds)
    return Batch(shape, np.concatenate([part.tags for part in parts]), tuple(arrays))


def values(shape: EventShape, batch: NDArray[Any] | Batch) -> Iterator[Any]:
    """Yield the records of a batch as Python values, of all types in the order of arrival."""
    if not isinstance(batch, Batch):
        yield from python_values(shape.kinds[0], batch)
        return
    parts = [iter(python_values(kind, batch[str(kind)])) for kind in shape.kinds]
    for number in batch.tags.tolist():
        yield next(parts[number])


def table(shape: EventShape, batch: NDArray[Any] | Batch, kind: object = None) -> Table:
    """Return the records of a batch in columns, for libraries of data frames.

    Args:
        shape: what they are; it tells addresses.
        batch: the records, ``(n,)``.
        kind: of records of several types, which: the class, or its name.

    Raises:
        TypeError: there are several types, and none was said.
        KeyError: there are no such records.
    """
    if not isinstance(batch, Batch):
        named = batch.dtype.names is not None
        return Table(batch, shape.kinds[0]) if named else Table({"value": batch})
    if kind is None:
        raise TypeError(f"records of several types are several tables: {', '.join(batch.kinds)}")
    found = batch[kind]
    number = next(at for at, one in enumerate(batch.items()) if one[1] is found)
    return Table(found, shape.kinds[number])


def copied(
    shape: EventShape, memory: memoryview, starts: NDArray[np.intp], sizes: NDArray[Any]
) -> NDArray[Any] | Batch:
    """Copy records out of a buffer.

    Args:
        shape: what they are.
        memory: where they lie; nothing of it is kept.
        starts: where each begins, with what stands before it.
        sizes: how long each is, with that; of perf events it is rounded up.

    Returns:
        an array, or a :class:`Batch` for records of several types.

    Raises:
        FormatError: there are other records.

    Shape:  ``starts`` and ``sizes`` are ``(n,)``.
    """
    tags = np.zeros(len(starts), np.uint8)
    if shape.prefix:
        heads = _taken(memory, starts, PREFIX).view(np.uint64)
        low = heads & np.uint64((1 << SIZE_SHIFT) - 1)
        if len(low) and int(low.max()) >= len(shape.kinds):
            raise FormatError(f"a record has the number {int(low.max())} of {shape.name()}")
        tags = low.astype(np.uint8)
        starts = starts + PREFIX
        trimmed = shape.trimmed and shape.perf
        sizes = heads >> np.uint64(SIZE_SHIFT) if trimmed else sizes - PREFIX
    if not shape.is_tagged:
        return _array(shape, shape.kinds[0], memory, starts, sizes)
    arrays = []
    for number, kind in enumerate(shape.kinds):
        mine = np.flatnonzero(tags == number)
        arrays.append(_array(shape, kind, memory, starts[mine], sizes[mine]))
    return Batch(shape, tags, tuple(arrays))


def _array(
    shape: EventShape,
    kind: DataType,
    memory: memoryview,
    starts: NDArray[np.intp],
    sizes: NDArray[Any],
) -> NDArray[Any]:
    there, tail = numpy_dtype(kind), shape.tail(kind)
    least = tail.offset if tail else kind.size
    if len(sizes):
        # The sizes of perf events are rounded up; nothing else may be.
        most = kind.size + (7 if shape.perf else 0)
        if int(sizes.min()) < least or int(sizes.max()) > most:
            found = f"{int(sizes.min())} to {int(sizes.max())} bytes"
            raise FormatError(f"records of {found} are no {kind}, which has {kind.size}")
    if tail is None:
        return decoded(kind, _taken(memory, starts, kind.size).view(there))
    return decoded(kind, _padded(memory, starts, sizes, kind.size).view(there))


def _taken(memory: memoryview, starts: NDArray[np.intp], size: int) -> NDArray[np.void]:
    """Copy ``size`` bytes from each place.

    Shape:  ``(n,)`` of ``size`` bytes.
    """
    if not len(starts):
        return np.empty(0, f"V{size}")
    if size == _WORD and not ((starts - starts[0]) & (_WORD - 1)).any():
        # What numpy knows as numbers it copies in a third of the time.
        first = int(starts[0]) % _WORD
        words = np.ndarray(((len(memory) - first) // _WORD,), np.uint64, memory, first)
        return words[starts // _WORD].view(f"V{_WORD}")
    everywhere = np.ndarray((len(memory) - size + 1,), f"V{size}", memory, 0, (1,))
    taken: NDArray[np.void] = everywhere[starts]
    return taken


def _padded(
    memory: memoryview, starts: NDArray[np.intp], sizes: NDArray[Any], whole: int
) -> NDArray[np.void]:
    """Copy records of different sizes, each with zeros behind it up to ``whole`` bytes.

    Those of one size at once: there are only so many sizes.
    """
    out = np.zeros(len(starts), f"V{whole}")
    narrow = sizes.astype(np.min_scalar_type(whole))  # which numpy sorts in the least time
    order = np.argsort(narrow, kind="stable")
    ends = np.flatnonzero(np.diff(sizes[order])) + 1
    for group in np.split(order, ends) if len(order) else ():
        size = int(sizes[group[0]])
        if size:
            into = np.ndarray(out.shape, f"V{size}", out, 0, (whole,))
            into[group] = _taken(memory, starts[group], size)
    return out
