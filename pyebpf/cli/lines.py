"""A line for each record of a stream: the columns of a tool, as text or as JSON."""

from __future__ import annotations

import importlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pyebpf import headstart
from pyebpf.cli import output
from pyebpf.dsl.constants import ConstDecl
from pyebpf.lazy import lazy
from pyebpf.plain import Frozen
from pyebpf.present import table
from pyebpf.present.escape import printable

if TYPE_CHECKING:
    from pyebpf.host import journal
    from pyebpf.session import Session
else:
    journal = lazy("pyebpf.host.journal")

_NS = 1_000_000_000

#: What is called with a session and one record, whose fields are attributes.
OfRecord = Callable[[Any, Any], Any]
#: What makes a line of the values of a record.
OfValues = Callable[[list[Any]], str]


class Tracing(Frozen):
    """What a column may need besides the record.

    Attributes:
        session: which the records are from.
        began_ns: when tracing began, on the clock of ``ktime_get_ns``.
    """

    session: Session
    began_ns: int


class Column(table.Column):
    """A column of :class:`Lines`.

    Attributes:
        value: makes what is shown of the session and a record, where this is not a field as it is;
            None is shown as ``absent``. In JSON it is called by ``name`` all the same.
        when: shown only if this constant (see ``Const``) is true, or if this function of the
            session says so.
    """

    value: OfRecord | None = None
    when: Any = True

    def is_shown(self, session: Session) -> bool:
        """Tell whether the options of a session ask for it."""
        if callable(self.when) and not isinstance(self.when, ConstDecl):
            return bool(self.when(session))
        return bool(session.option(self.when))

    def reader(self, tracing: Tracing) -> Callable[[Any], Any]:
        """Return what makes the column's value of a record."""
        if self.value is None:
            name = self.field or self.name
            return lambda row: row[name]
        value = self.value
        return lambda row: value(tracing.session, row)


class Elapsed(Column):
    """A column of seconds since tracing began; its field is what ``ktime_get_ns`` gave."""

    @property
    def name(self) -> str:
        """What programs call it: not its field, which is another number."""
        return "time_s"

    def reader(self, tracing: Tracing) -> Callable[[Any], Any]:
        """Return what makes seconds of a record."""
        read = super().reader(tracing)
        return lambda row: (read(row) - tracing.began_ns) / _NS


class Clock(Column):
    """A column of the time of day; its field is what ``ktime_get_ns`` gave.

    Attributes:
        utc: of UTC, not of the local time zone.
        digits: how many of the fraction of a second.
    """

    utc: bool = False
    digits: int = 0

    @property
    def name(self) -> str:
        """What programs call it: not its field, which is a number."""
        return "time"

    def reader(self, tracing: Tracing) -> Callable[[Any], Any]:
        """Return what makes a time of a record."""
        read = super().reader(tracing)
        return lambda row: self._time_of_day(read(row))

    def _time_of_day(self, ktime_ns: int) -> str:
        # Of the clock as it is set now, also for what was before it was set.
        whole, rest = divmod(ktime_ns + time.time_ns() - time.monotonic_ns(), _NS)
        fraction = f".{rest:09}"[: self.digits + 1] if self.digits else ""
        return (
            time.strftime("%H:%M:%S", (time.gmtime if self.utc else time.localtime)(whole))
            + fraction
        )


def widened(column: Column, width: int, wide: Any) -> tuple[Column, Column]:
    """Return a column as it is, and in its place a wider one if an option is given.

    Args:
        column: which; it is shown always.
        width: of the wider one, whose text is not cut.
        wide: the option.
    """
    return (
        column.replace(when=lambda session: not session.option(wide)),
        column.replace(width=width, cut=False, when=wide),
    )


def indented(texts: Iterable[str]) -> Iterable[str]:
    """Return a line for each text, below what they belong to."""
    return [f"        {printable(text)}" for text in texts]


class Below(Column):
    """What stands below a line of text; where there are values, it is one like any other.

    Attributes:
        drawn: makes lines of the value, safe to print.
    """

    drawn: Callable[[Any], Iterable[str]] = indented


class Csv:
    """What :class:`Lines` print instead where an option asks for values between commas.

    The titles of the columns are the first line. Text is escaped as everywhere; in quotes, if it
    has commas or quotes itself.

    Args:
        when: the option.
        columns: what to show of each record.
    """

    def __init__(self, when: Any, *columns: Column) -> None:
        self.when = when
        self.columns = columns


class Lines:
    """What a tool prints: a header, and a line for each record of a stream.

    Text is escaped for a terminal, and a value that is wider than its column pushes the rest of its
    line to the right. As JSON, a record is an object of the columns' values by their fields.

    Args:
        events: the ``Events`` that the probes send to.
        columns: what to show of each record.
        keep: says which records to show, where the kernel could not tell: all by default.
        csv: other columns, if there is an option for such output; JSON goes before it.
        journal: the option to write each line to the journal of systemd, too. Its entries have the
            columns as fields, ``TCPSTATES_LPORT`` of the tool ``tcpstates``.
        values: what JSON and ``--csv`` have instead of ``columns``.
        sentence: makes a line of text of a record's values by their names; no header then.
        limit: the option that says how many records to show before tracing ends; 0 for all.
        tally: the option to count equal lines and print them at the end, the most frequent last.
    """

    def __init__(  # noqa: PLR0913 - the words of a declaration
        self,
        events: Any,
        *columns: Column,
        keep: OfRecord | None = None,
        csv: Csv | None = None,
        journal: Any = False,
        values: tuple[Column, ...] = (),
        sentence: Callable[[Mapping[str, Any]], str] | None = None,
        limit: Any = 0,
        tally: Any = False,
    ) -> None:
        self._sentence = sentence
        self._limit, self._tally = limit, tally
        self._events = events
        self._columns = columns
        self._fields = values or columns
        self._keep = keep
        self._csv = csv
        self._journal = journal

    def printer(
        self, session: Session, *, json: bool, csv: bool = False, tool: str = ""
    ) -> Printer:
        """Begin to print: the header, or no header for JSON.

        Args:
            session: where the events come from.
            json: each event an object, in a line of its own.
            csv: each event its columns, with commas between them.
            tool: what it is called in the journal.

        Raises:
            OSError: the journal is to be written to, and there is none.
        """
        columns, form = self._form(session, json=json, csv=csv)
        values = self._values(session, columns)
        copy = Copy(tool, values.columns) if session.option(self._journal) else None
        printer = Printer(session, self._events, values, form, copy)
        printer.limit = session.option(self._limit)
        printer.tallies = form is _as_table and session.option(self._tally)
        return printer

    def _form(
        self, session: Session, *, json: bool, csv: bool
    ) -> tuple[tuple[Column, ...], Callable[[tuple[Column, ...]], OfValues]]:
        """Return what is shown, and what makes lines of it."""
        if json or csv:
            return self._fields, _as_json if json else _as_values
        if self._csv is not None and session.option(self._csv.when):
            return self._csv.columns, _as_csv
        if self._sentence is not None:
            return self._columns, partial(_as_sentences, self._sentence)
        return self._columns, _as_table

    def _values(self, session: Session, columns: tuple[Column, ...]) -> Values:
        tracing = Tracing(session, headstart.own.traced_since_ns())
        shown = tuple(column for column in columns if column.is_shown(session))
        readers = [column.reader(tracing) for column in shown]
        keep = self._keep

        def values(row: Any) -> list[Any] | None:
            if keep is None or keep(session, row):
                return [read(row) for read in readers]
            return None

        return Values(shown, values)


class Values(Frozen):
    """What is shown of a record.

    Attributes:
        columns: the columns.
        of: their values; None for a record that is not shown.
    """

    columns: tuple[Column, ...]
    of: Callable[[Any], list[Any] | None]


class Copy:
    """Writes lines to the journal of systemd.

    Args:
        tool: whose lines.
        columns: what is in them.

    Raises:
        OSError: there is no journal.
    """

    def __init__(self, tool: str, columns: tuple[Column, ...]) -> None:
        self._tool = tool
        self._row = table.Table(*columns).row
        self._names = [f"{tool.upper()}_{column.name.upper()}" for column in columns]
        with journal.Journal(tool):
            pass  # before anything is printed

    def write(self, rows: list[list[Any]]) -> None:
        """Write an entry for each row of values."""
        with journal.Journal(self._tool) as entries:
            for row in rows:
                entries.write(self._row(*row), dict(zip(self._names, row, strict=True)))


class Printer:
    """Prints the records of one session.

    Args:
        session: which.
        events: the stream.
        values: what to print of a record.
        form: writes the header, and returns what makes a line of values.
        copy: what takes the values, too.

    Raises:
        OutputError: nobody takes them; so does :meth:`wait`.

    Attributes:
        limit: how many lines there are; 0 for any number.
        tallies: count lines, and print them at the :meth:`end`.
    """

    def __init__(
        self,
        session: Session,
        events: Any,
        values: Values,
        form: Callable[[tuple[Column, ...]], OfValues],
        copy: Copy | None,
    ) -> None:
        self._line = form(values.columns)  # its header first: to open the stream takes numpy
        self._stream = session[events]
        self._values = values.of
        self._copy = copy
        self.limit, self.tallies = 0, False
        self._count, self._tally = 0, Counter[str]()

    @property
    def is_done(self) -> bool:
        """Whether there are as many lines as there should be."""
        return 0 < self.limit <= self._count

    @property
    def name(self) -> str:
        """What ``Session.lost`` calls the stream."""
        name: str = self._stream.name
        return name

    def wait(self, timeout_s: float = 0) -> None:
        """Print what is there, or comes in some time."""
        batch = self._stream.read(timeout_s)
        if len(batch):
            values = map(self._values, self._stream.values(batch))
            rows = [row for row in values if row is not None]
            rows = rows[: self.limit - self._count] if self.limit else rows
            self._count += len(rows)
            lines = [f"{self._line(row)}\n" for row in rows]
            if self.tallies:
                self._tally.update(lines)
            else:
                output.write("".join(lines))  # all at once: whoever reads them is woken once
            if self._copy is not None:
                self._copy.write(rows)

    def end(self) -> None:
        """Print what was counted."""
        for line, count in sorted(self._tally.items(), key=lambda item: item[1]):
            output.write(f"{line}        {count}\n")


def _as_table(columns: tuple[Column, ...]) -> OfValues:
    places = [place for place, column in enumerate(columns) if not isinstance(column, Below)]
    lines = table.Table(*(columns[place] for place in places))
    output.announce(f"{lines.header()}\n")
    return _with_lines_below(columns, lambda row: lines.row(*(row[place] for place in places)))


def _as_sentences(
    sentence: Callable[[Mapping[str, Any]], str], columns: tuple[Column, ...]
) -> OfValues:
    names = [column.name for column in columns]
    return _with_lines_below(columns, lambda row: sentence(dict(zip(names, row, strict=True))))


def _with_lines_below(columns: tuple[Column, ...], line: OfValues) -> OfValues:
    drawn = [
        (place, column.drawn) for place, column in enumerate(columns) if isinstance(column, Below)
    ]
    if not drawn:
        return line

    def lines(row: list[Any]) -> Iterator[str]:
        yield line(row)
        for place, draw in drawn:
            yield from draw(row[place])

    return lambda row: "\n".join(lines(row))


def _as_json(columns: tuple[Column, ...]) -> OfValues:
    names = [column.name for column in columns]
    line: Callable[[Any], str] = importlib.import_module("pyebpf.present.jsonl").line
    return lambda row: line(dict(zip(names, row, strict=True)))


def _as_values(columns: tuple[Column, ...]) -> OfValues:
    output.announce(f"{output.csv_line(column.name for column in columns)}\n")
    return output.csv_line


def _as_csv(columns: tuple[Column, ...]) -> OfValues:
    output.announce(",".join(column.title for column in columns) + "\n")
    return lambda row: ",".join(
        output.csv_cell(column.cell(value)) for column, value in zip(columns, row, strict=True)
    )
