"""Rows of reports as tables of a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyebpf.present import drawing
from pyebpf.present.interchange import SHOWN


class Rows(list[Any]):
    """Mappings with the same fields: a list that draws itself as a table."""

    def _repr_html_(self) -> str:
        if not self:
            return drawing.Words("nothing")._repr_html_()
        names = list(dict.fromkeys(name for row in self for name in row))
        shown = self[:SHOWN]
        right = [any(_is_number(row.get(name)) for row in shown) for name in names]
        cells = [[_cell(row.get(name)) for name in names] for row in shown]
        more = len(self) - SHOWN
        under = f"and {more:,} more" if more > 0 else ""
        return drawing.table(names, cells, under, right=right)


def drawable(result: Any, text: Any) -> Any:
    """Return a result as something that a notebook draws: itself, or rows, or its text.

    Args:
        result: of a tool.
        text: makes text of it.
    """
    if hasattr(result, "_repr_html_"):
        return result
    rows = [result] if isinstance(result, Mapping) else result
    if isinstance(rows, list | tuple) and all(isinstance(row, Mapping) for row in rows):
        return Rows(rows)
    return drawing.Words(text(result).strip("\n"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bytes):
        return value.partition(b"\0")[0].decode("utf-8", "backslashreplace")
    return str(value)
