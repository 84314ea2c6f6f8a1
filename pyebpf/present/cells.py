"""Columns as texts, for tables that people read: a few rows, safe to print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.present.columns import Blobs, Lists, Numbers, Structs, Texts
from pyebpf.present.escape import printable

if TYPE_CHECKING:
    from pyebpf.present.columns import Column

#: Longer lists and bytes are cut: a table of them is to be looked at, not to be computed with.
_ITEMS, _BYTES = 8, 16


def is_numeric(column: Column) -> bool:
    """Tell whether a column has numbers, which stand to the right."""
    return isinstance(column, Numbers) and column.values.dtype.kind in "iuf"


def texts(column: Column, count: int) -> list[str]:
    """Return the first ``count`` values as texts."""
    return [_text(column, row) for row in range(min(count, len(column)))]


def _text(column: Column, row: int) -> str:
    match column:
        case Numbers():
            value = column.values[row].item()
            return f"{value:.6g}" if isinstance(value, float) else f"{value}"
        case Texts():
            begin, end = column.offsets[row : row + 2].tolist()
            return printable(column.data[begin:end].tobytes())
        case Blobs():
            data = column.values[row]
            return f"{bytes(data[:_BYTES]).hex()}{'…' * (len(data) > _BYTES)}"
        case Lists():
            first = row * column.length
            shown = range(first, first + min(column.length, _ITEMS))
            more = ["…"] * (column.length > _ITEMS)
            return f"[{', '.join([*(_text(column.items, item) for item in shown), *more])}]"
        case Structs():
            return " ".join(f"{field.name}={_text(field, row)}" for field in column.fields)
