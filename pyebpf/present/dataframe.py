"""Columns by the data frame interchange protocol, which needs no Arrow on either side.

The protocol knows no lists and no structs: an item of a list is a column called ``stack[3]``, a
field of a struct one called ``flow.port``. Bytes are columns of numbers.

Source: https://data-apis.org/dataframe-protocol/latest/API.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.plain import Plain
from pyebpf.present.columns import (
    Blobs,
    Column,
    Lists,
    Numbers,
    Structs,
    Texts,
    format_of,
    items_of,
)


class DtypeKind(IntEnum):
    """Kinds of values."""

    INT = 0
    UINT = 1
    FLOAT = 2
    BOOL = 20
    STRING = 21


_CPU = (1, None)
_NO_NULLS = 0
_KINDS = {
    "i": DtypeKind.INT,
    "u": DtypeKind.UINT,
    "f": DtypeKind.FLOAT,
    "b": DtypeKind.BOOL,
}
#: Kind, bits, format of Arrow's, byte order.
Dtype = tuple[DtypeKind, int, str, str]


def flat(columns: Sequence[Column]) -> list[Numbers | Texts]:
    """Return columns without lists and structs."""
    return [each for column in columns for each in _flattened(column.name, column)]


def _flattened(name: str, column: Column) -> Iterator[Numbers | Texts]:
    match column:
        case Numbers():
            yield Numbers(name, column.values)
        case Texts():
            yield Texts(name, column.offsets, column.data)
        case Blobs():
            for at in range(column.values.shape[1]):
                yield Numbers(f"{name}[{at}]", np.ascontiguousarray(column.values[:, at]))
        case Lists():
            for at in range(column.length):
                yield from _flattened(f"{name}[{at}]", items_of(column, at))
        case Structs():
            for field in column.fields:
                yield from _flattened(f"{name}.{field.name}", field)


class Buffer(Plain):
    """Contiguous memory."""

    array: NDArray[Any]

    @property
    def bufsize(self) -> int:
        """Bytes."""
        return self.array.nbytes

    @property
    def ptr(self) -> int:
        """The address; valid while this object is kept."""
        return int(self.array.ctypes.data)

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, None]:
        return _CPU


class FrameColumn(Plain):
    """One column, in one chunk, with no value missing."""

    column: Numbers | Texts
    offset = 0
    null_count = 0
    describe_null = (_NO_NULLS, None)
    metadata: dict[str, Any] = {}  # noqa: RUF012 - the protocol's; nobody writes to it

    def size(self) -> int:
        """Return how many values there are."""
        return len(self.column)

    @property
    def dtype(self) -> Dtype:
        """Kind, bits, Arrow's format, byte order."""
        if isinstance(self.column, Texts):
            return DtypeKind.STRING, 8, "u", "="
        return _dtype(self.column.values)

    @property
    def describe_categorical(self) -> Any:
        """Refuse.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"column {self.column.name!r} has no categories")

    def num_chunks(self) -> int:
        """Return 1."""
        return 1

    def get_chunks(self, n_chunks: int | None = None) -> Iterator[FrameColumn]:
        """Yield the column."""
        del n_chunks
        yield self

    def get_buffers(self) -> dict[str, tuple[Buffer, Dtype] | None]:
        """Return where the values are, and of texts where each begins."""
        column = self.column
        if isinstance(column, Texts):
            offsets: tuple[Buffer, Dtype] = (Buffer(column.offsets), _dtype(column.offsets))
            return {"data": (Buffer(column.data), self.dtype), "validity": None, "offsets": offsets}
        return {"data": (Buffer(column.values), self.dtype), "validity": None, "offsets": None}


def _dtype(array: NDArray[Any]) -> Dtype:
    return _KINDS[array.dtype.kind], 8 * array.dtype.itemsize, format_of(array.dtype), "="


class Frame(Plain):
    """What ``__dataframe__`` gives: columns without lists and structs."""

    columns: list[Numbers | Texts]
    rows: int
    metadata: dict[str, Any] = {}  # noqa: RUF012 - the protocol's; nobody writes to it

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> Frame:
        del nan_as_null, allow_copy
        return self

    def num_columns(self) -> int:
        """Return how many columns there are."""
        return len(self.columns)

    def num_rows(self) -> int:
        """Return how many rows there are."""
        return self.rows

    def num_chunks(self) -> int:
        """Return 1."""
        return 1

    def column_names(self) -> list[str]:
        """Return the names."""
        return [column.name for column in self.columns]

    def get_column(self, i: int) -> FrameColumn:
        """Return a column by number."""
        return FrameColumn(self.columns[i])

    def get_column_by_name(self, name: str) -> FrameColumn:
        """Return a column by name."""
        return FrameColumn(self.columns[self.column_names().index(name)])

    def get_columns(self) -> list[FrameColumn]:
        """Return all columns."""
        return [FrameColumn(column) for column in self.columns]

    def select_columns(self, indices: Sequence[int]) -> Frame:
        """Return some columns by number."""
        return Frame([self.columns[i] for i in indices], self.rows)

    def select_columns_by_name(self, names: Sequence[str]) -> Frame:
        """Return some columns by name."""
        return self.select_columns([self.column_names().index(name) for name in names])

    def get_chunks(self, n_chunks: int | None = None) -> Iterator[Frame]:
        """Yield the whole."""
        del n_chunks
        yield self
