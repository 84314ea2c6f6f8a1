"""How the results of one interval after the other are laid out on paper or on a screen."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pyebpf.cli.output import clock
from pyebpf.plain import Frozen
from pyebpf.present.table import Column, Table

if TYPE_CHECKING:
    from pyebpf.session import Session

#: Moves to the upper left corner and erases what is on the screen.
CLEAR = "\x1b[H\x1b[2J"


class Layout(Protocol):
    """What the frame of a tool asks for."""

    @property
    def stamps(self) -> bool:
        """Whether the time of day stands in it anyway: there is no ``-T`` then."""
        ...

    @property
    def lead(self) -> str:
        """What stands before the time of day of ``-T`` and each result."""
        ...

    def begin(self) -> str:
        """Return what stands above all results, with its newline."""
        ...

    def text(self, session: Session, result: Any, /) -> str:
        """Return what is written for a result, with its newline."""
        ...


class Blocks:
    """Text as the tool makes it, after an empty line.

    Args:
        show: makes text of a result; ``str`` if there is none.
    """

    stamps = False
    lead = "\n"

    def __init__(self, show: Callable[[Session, Any], str] | None) -> None:
        self._show = show

    def begin(self) -> str:
        """Return nothing."""
        return ""

    def text(self, session: Session, result: Any, /) -> str:
        """Return the text of one result."""
        text = str(result) if self._show is None else self._show(session, result)
        return f"{text}\n" if text else ""


class Stamped(Frozen):
    """The text of each result, below the time of day.

    Attributes:
        without: the option to leave the time out.
    """

    without: Any
    stamps: bool = True
    lead: str = "\n"

    def begin(self) -> str:
        """Return nothing."""
        return ""

    def text(self, session: Session, result: Any, /) -> str:
        """Return the time and the text of one ``result``."""
        time_of_day = "" if session.option(self.without) else f"{clock()}:\n"
        text = str(result)
        return f"{time_of_day}{text}\n" if text else time_of_day


class Rolling(Frozen):
    """A table that grows by some rows in each interval. A result is a list of mappings.

    Attributes:
        columns: fields of the mappings; ``time`` is the time of day.
    """

    columns: Sequence[Column]
    stamps: bool = True
    lead: str = ""

    def begin(self) -> str:
        """Return the titles."""
        return f"{Table(*self.columns).header()}\n"

    def text(self, _: Session, result: Any, /) -> str:
        """Return the rows of one interval, its ``result``."""
        return lines_of(self.columns, ({"time": clock(), **row} for row in result))


class Rates:
    """A table that grows by a row in each interval: how often things were done in a second of it.

    A result is a mapping of how often they were done in the interval.

    Args:
        columns: fields of the mapping; ``time`` is the time of day.
    """

    stamps = True
    lead = ""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._since = 0.0

    def begin(self) -> str:
        """Return the titles; the first interval begins now."""
        self._since = time.monotonic()
        return f"{Table(*self._columns).header()}\n"

    def text(self, _: Session, result: Any, /) -> str:
        """Return the row of one interval, its ``result``."""
        now = time.monotonic()
        seconds, self._since = now - self._since, now
        rates = {name: number / seconds for name, number in result.items()}
        return lines_of(self._columns, [{"time": clock(), **rates}])


class Part(Frozen):
    """A table on a screen, of some of the rows.

    Attributes:
        columns: fields of what ``of`` gives.
        of: makes what is shown of a row; None if the row is not in this table.
    """

    columns: Sequence[Column]
    of: Callable[[Mapping[str, Any]], Mapping[str, Any] | None]


class Screen(Frozen):
    """The time of day, the machine's load and a table; on a terminal it replaces the one before.

    There it obeys keys, as ``pyebpf.cli.live`` says. A result is a list of mappings.

    Attributes:
        columns: fields of the mappings.
        keep: the option not to clear the screen.
        quiet: the option to leave out the time and the load, if there is one.
        parts: tables, one below the other, instead of ``columns``; empty ones are left out.
    """

    columns: Sequence[Column]
    keep: Any
    quiet: Any = False
    parts: Sequence[Part] = ()
    stamps: bool = True
    lead: str = ""

    def begin(self) -> str:
        """Return nothing: titles are on each screen."""
        return ""

    def clears(self, session: Session) -> bool:
        """Tell whether a screen replaces the one before."""
        return not session.option(self.keep) and is_terminal()

    @property
    def shown(self) -> Sequence[Column]:
        """What rows can be sorted by."""
        return self.columns or self.parts[0].columns

    def head(self, session: Session) -> str:
        """Return the first line: the time of day, and the machine's load."""
        return "" if session.option(self.quiet) else f"{clock()} loadavg: {load_average()}"

    def body(self, rows: Iterable[Mapping[str, Any]]) -> str:
        """Return the table of some rows, or the tables."""
        if not self.parts:
            return _table(self.columns, rows)
        rows = tuple(rows)
        found = [(part.columns, [*filter(None, map(part.of, rows))]) for part in self.parts]
        return "\n".join(_table(columns, cells) for columns, cells in found if cells)

    def text(self, session: Session, result: Any, /) -> str:
        """Return one screen: what a session's ``result`` is, below its head."""
        head = self.head(session)
        begin = (CLEAR if self.clears(session) else "\n") + (f"{head}\n\n" if head else "")
        return begin + self.body(result)


def _table(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> str:
    return f"{Table(*columns).header()}\n{lines_of(columns, rows)}"


#: Where a list of rows has most: at an end, where a function of a row is greatest; or nowhere.
Most = Literal["first", "last", "none"] | Callable[[Any], Any]


def largest(result: Any, limit: int, most: Most) -> Any:
    """Return what there is most of: rows, histograms of keys, stacks; other results as they are.

    Args:
        result: what a tool reports.
        limit: how many.
        most: of a list of rows, which stay in their order.
    """
    if isinstance(result, list):
        if callable(most):
            kept = sorted(range(len(result)), key=lambda place: most(result[place]))[-limit:]
            return [result[place] for place in sorted(kept)]
        return result[-limit:] if most == "last" else result[:limit]
    for method in ("largest", "top"):
        if hasattr(result, method):
            return getattr(result, method)(limit)
    return result


def averaged(result: Any) -> str:
    """Return a histogram that keeps totals, or one for each key, and below the average of all."""
    if not result.count:
        return str(result)
    whole = result.total() if callable(result.total) else result
    label, n = whole.label(), whole.count
    average = f"avg = {whole.total // n} {label}, total: {whole.total} {label}, count: {n}"
    return f"{result}\n\n{average}\n"


def drawn(result: Any, *columns: Column) -> str:
    """Return histograms as they draw themselves, or rows as a table with these columns."""
    if not isinstance(result, list):
        return str(result)
    return _table(columns, result).removesuffix("\n")


def lines_of(columns: Iterable[Column], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a line for each row, each with its newline."""
    table = Table(*columns)
    return "".join(f"{table.record(row)}\n" for row in rows)


def is_terminal() -> bool:
    """Tell whether standard output is a terminal that knows how to clear itself."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def load_average() -> str:
    """Return what ``/proc/loadavg`` says, ``"?"`` where there is none."""
    try:
        with open("/proc/loadavg", encoding="ascii") as file:  # noqa: PTH123 - quick to import
            return file.read().strip()
    except OSError:
        return "?"
