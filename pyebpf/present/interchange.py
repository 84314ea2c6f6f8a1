"""Arrays of ours for pandas, polars, pyarrow and others, by the two protocols that they read.

Neither imports anything: who receives a :class:`Table` does the work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyebpf.lazy import lazy
from pyebpf.present.escape import printable
from pyebpf.spec.types import DataType, Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pyebpf.present import arrow, cells, columns, dataframe, drawing
    from pyebpf.present.columns import Column, Structs
    from pyebpf.present.dataframe import Frame
else:
    arrow = lazy("pyebpf.present.arrow")
    cells = lazy("pyebpf.present.cells")
    columns = lazy("pyebpf.present.columns")
    dataframe = lazy("pyebpf.present.dataframe")
    drawing = lazy("pyebpf.present.drawing")
#: How many rows are shown before it is said how many more there are.
SHOWN = 50


class Table:
    r"""A copy of an array in columns, for a library of data frames to read.

    ``pyarrow.table(Table(batch))``, ``polars.DataFrame(Table(batch))``, and with pandas
    ``pandas.api.interchange.from_dataframe(Table(batch))``, or from pandas 3 on
    ``pandas.DataFrame.from_arrow(Table(batch))``.

    Integers, floats and truth values stay what they are; text ends at its NUL, and bytes in it that
    are no UTF-8 are written as ``\xff``; an array in a record is a list of fixed size, a record
    a struct. (``__dataframe__`` knows neither: there they are columns ``stack[0]``, ``flow.port``.)
    No value is missing. What it was made from may change afterwards.

    >>> import numpy as np
    >>> table = Table({"pid": np.array([1, 2]), "bytes": np.array([7, 9])})
    >>> list(table.__dataframe__().column_names())
    ['pid', 'bytes']

    Args:
        data: a structured array ``(n,)``, whose fields are the columns; or arrays by the names of
            their columns, each ``(n,)`` or ``(n, length)``.
        kind: the class of the records, marked ``@record``. With it addresses are texts; they are
            lists of bytes otherwise.

    Raises:
        TypeError: an array has no fields, or values of a type that tables do not have.
        ValueError: columns have different lengths.
    """

    def __init__(
        self, data: NDArray[Any] | Mapping[str, NDArray[Any]] | Structs, kind: Any = None
    ) -> None:
        self._whole = data if isinstance(data, columns.Structs) else _shownof(data, kind)

    @classmethod
    def of_entries(
        cls,
        keys: NDArray[Any],
        values: NDArray[Any],
        key: DataType | None = None,
        value: DataType | None = None,
    ) -> Table:
        """Return the entries of a map, as its ``snapshot()`` or ``take()`` gives them.

        The columns are ``key`` and ``value``; fields of records have columns of their own names,
        items of tuples ``key_0``, ``value_0``, …. A name that both have is ``key_x``, ``value_x``.

        Args:
            keys: ``(n,)``.
            values: ``(n,)``, or ``(n, cpus)``, which become lists.
            key: the type of the keys, if known; it tells addresses.
            value: the type of the values.
        """
        of_keys, of_values = _parts("key", keys, key), _parts("value", values, value)
        both = {each.name for each in of_keys} & {each.name for each in of_values}
        for prefix, half in (("key", of_keys), ("value", of_values)):
            for each in half:
                if each.name in both:
                    each.name = f"{prefix}_{each.name}"
        return cls(columns.Structs("", len(keys), (*of_keys, *of_values)))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(each.name for each in self._whole.fields)

    def __len__(self) -> int:
        return len(self._whole)

    def __repr__(self) -> str:
        return f"<Table of {len(self)} rows: {', '.join(self.names)}>"

    def render(self, rows: int = SHOWN) -> str:
        """Return the first rows as text, under the names of the columns."""
        shown = [[printable(each.name), *cells.texts(each, rows)] for each in self._whole.fields]
        widths = [max(map(len, column)) for column in shown]
        right = [cells.is_numeric(each) for each in self._whole.fields]
        lines = [
            "  ".join(
                f"{text:>{width}}" if to_the_right else f"{text:<{width}}"
                for text, width, to_the_right in zip(row, widths, right, strict=True)
            ).rstrip()
            for row in zip(*shown, strict=True)
        ]
        return "\n".join([*lines, *filter(None, [self._rest(rows)])])

    def __str__(self) -> str:
        return self.render()

    def _repr_html_(self) -> str:
        fields = self._whole.fields
        rows = zip(*(cells.texts(each, SHOWN) for each in fields), strict=True)
        right = [cells.is_numeric(each) for each in fields]
        return drawing.table(self.names, [*rows], self._rest(SHOWN), right=right)

    def _rest(self, rows: int) -> str:
        more = len(self) - rows
        return f"and {more:,} more" if more > 0 else ""

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> Frame:
        del nan_as_null, allow_copy  # nothing is missing, and the copy has been made
        return dataframe.Frame(dataframe.flat(self._whole.fields), len(self))

    def __arrow_c_schema__(self) -> Any:
        return arrow.schema_capsule(self._whole)

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[Any, Any]:
        del requested_schema  # a wish, which a producer need not fulfil
        return arrow.schema_capsule(self._whole), arrow.array_capsule(self._whole)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        del requested_schema
        return arrow.stream_capsule(self._whole)


def _shownof(data: NDArray[Any] | Mapping[str, NDArray[Any]], kind: Any) -> Structs:
    if isinstance(data, Mapping):
        fields = tuple(columns.column(name, array) for name, array in data.items())
        lengths = {each.name: len(each) for each in fields}
        if len({*lengths.values()}) > 1:
            raise ValueError(f"Table: columns of different lengths: {lengths}")
        return columns.Structs("", max(lengths.values(), default=0), fields)
    if data.dtype.names is None or data.ndim != 1:
        raise TypeError(
            f"Table of an array of {data.dtype}, shape {data.shape}: it wants records, (n,); give "
            'others a name: Table({"count": array})'
        )
    whole = columns.column("", data, getattr(kind, "__pyebpf_record__", kind))
    assert isinstance(whole, columns.Structs)
    return whole


def _parts(name: str, array: NDArray[Any], kind: DataType | None) -> list[Column]:
    """Return the columns of one half of a map."""
    made = columns.column(name, array, kind)
    if not isinstance(made, columns.Structs):
        return [made]
    parts = list(made.fields)
    if isinstance(kind, Record) and kind.is_tuple:
        for part in parts:
            part.name = f"{name}{part.name}"  # ``_0`` becomes ``key_0``
    return parts
