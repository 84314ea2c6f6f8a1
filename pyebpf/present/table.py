"""Tables of fixed columns, printed as the rows come.

Widths are declared, not measured: the first row of a running trace is printed before the second is
known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pyebpf.plain import Frozen
from pyebpf.present.escape import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray  # a tool declares its columns before it needs numpy


class Column(Frozen):
    """One column.

    Attributes:
        title: its head.
        width: in characters; a longer value pushes the rest of its row to the right.
        align: ``"<"`` left, ``">"`` right.
        format: how a value is written, as after the colon of an f-string: ``".2f"``.
        cut: shorten longer text to ``width``.
        field: the record field it shows; the title in lower case by default.
        absent: what stands for None.
    """

    title: str
    width: int
    align: Literal["<", ">"] = "<"
    format: str = ""
    cut: bool = False
    field: str = ""
    absent: str = ""

    @property
    def name(self) -> str:
        """What programs call it: its field."""
        return self.field or self.title.lower()

    def cell(self, value: Any) -> str:
        """Return ``value`` as it stands in its row."""
        if value is None:
            return self.placed(self.absent)
        text = format(value, self.format) if self.format else printable(_plain(value))
        return self.placed(text[: self.width] if self.cut else text)

    def placed(self, text: str) -> str:
        """Return ``text`` filled up to the width."""
        return f"{text:{self.align}{self.width}}"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.partition(b"\0")[0]
    return value


class Table:
    """Columns, and the lines they make: strings without newline, safe to print."""

    def __init__(self, *columns: Column) -> None:
        self.columns = columns

    def header(self) -> str:
        """Return the line of titles."""
        return self._line(column.placed(column.title) for column in self.columns)

    def row(self, *values: Any) -> str:
        """Return one line.

        Raises:
            ValueError: there are not as many values as columns.
        """
        if len(values) != len(self.columns):
            message = f"the table has {len(self.columns)} columns, the row {len(values)} values"
            raise ValueError(message)
        pairs = zip(self.columns, values, strict=True)
        return self._line(column.cell(value) for column, value in pairs)

    def record(self, fields: Mapping[str, Any]) -> str:
        """Return the line of one record: each column shows its field."""
        return self.row(*(fields[column.name] for column in self.columns))

    def rows(self, records: NDArray[Any]) -> Iterator[str]:
        """Yield a line for each record of a structured array.

        Shape:  ``(n,)`` of a dtype with the columns' fields gives ``n`` lines.

        Raises:
            ValueError: a column shows a field that the records do not have.
        """
        names = [column.name for column in self.columns]
        missing = [name for name in names if name not in (records.dtype.names or ())]
        if missing:
            message = f"the records have no field {', '.join(missing)}; they have "
            raise ValueError(message + ", ".join(records.dtype.names or ("no fields",)))
        shown = [_listed(records[name]) for name in names]
        for values in zip(*shown, strict=True):
            yield self.row(*values)

    @staticmethod
    def _line(cells: Iterable[str]) -> str:
        return " ".join(cells).rstrip()


def _listed(values: NDArray[Any]) -> list[Any]:
    return values.tolist() if values.ndim == 1 else [row.tolist() for row in values]
