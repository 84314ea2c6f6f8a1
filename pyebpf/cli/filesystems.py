"""The tools for a file system, made from its row in :mod:`pyebpf.lib.filesystems`.

A tool imports the options from here as well, which makes them its own.
"""

from __future__ import annotations

from typing import Any

from pyebpf.cli.layout import Stamped
from pyebpf.cli.lines import Clock, Column, Csv, Lines
from pyebpf.cli.tool import Tool
from pyebpf.dsl.aggregates import Log2Hist
from pyebpf.dsl.builtins import comm, ktime_get_ns, tgid
from pyebpf.dsl.constants import Const
from pyebpf.dsl.events import Events
from pyebpf.dsl.records import chars, record
from pyebpf.dsl.scalars import Char, i64, u32, u64
from pyebpf.lib.block import regrouped
from pyebpf.lib.filesystems import WORDS, Begun, FileSystem, offset_of, timed
from pyebpf.lib.filters import FILTERS
from pyebpf.session import Session

__all__ = [
    "csv",
    "dist",
    "header_of",
    "milliseconds",
    "min_ns",
    "notimestamp",
    "slower",
]

_NS = 1_000_000  # in a millisecond
_LETTERS = "RWOS"


def ns_of_ms(text: str) -> int:
    """Read milliseconds, whole or not; 0 is allowed."""
    try:
        ns = round(float(text) * _NS)
    except (ValueError, OverflowError):
        ns = -1
    if ns < 0:
        raise ValueError(f"{text!r} is no number of milliseconds")
    return ns


notimestamp = Const(False, "-T", "--notimestamp", help="don't include the time in the output")
milliseconds = Const(False, "-m", "--milliseconds", help="millisecond histograms")
csv = Const(False, "-j", "--csv", help="print comma-separated values")
min_ns = Const(
    10 * _NS, "min_ms", help="trace what takes this long at least, 0: all (default: 10)",
    convert=ns_of_ms,
)  # fmt: skip

us, ms = Log2Hist(unit="us", key=u32), Log2Hist(unit="ms", key=u32)


@record
class Operation:
    """An operation that has ended."""

    ended_ns: u64
    took_ns: u64
    offset: i64
    ret: i64
    pid: u32
    what: u32
    comm: Char = chars(16)
    file: Char = chars(256)


operations = Events[Operation](pages=512, trim=True)


def count(operation: u32, begun: Begun, _: i64) -> None:
    """Count how long an operation took."""
    took_ns = ktime_get_ns() - begun.ns
    if milliseconds:
        ms[operation].add(took_ns // _NS)
    else:
        us[operation].add(took_ns // 1_000)


def send(operation: u32, begun: Begun, ret: i64) -> None:
    """Send an operation that took long enough."""
    now = ktime_get_ns()
    if now - begun.ns < min_ns:
        return
    with operations.reserve() as e:
        e.ended_ns, e.took_ns, e.what = now, now - begun.ns, operation
        e.offset, e.ret = offset_of(begun, ret), ret
        e.pid, e.comm = tgid(), comm()
        e.file.read_kernel_str(begun.file.f_path.dentry.d_name.name)


def take(session: Session) -> Any:
    """Take one interval: a ``KeyedHist`` by the names of the operations."""
    hists = session[ms if session.option(milliseconds) else us].take()
    return regrouped(hists, "operation", WORDS.__getitem__)


def dist(module: str, of: FileSystem) -> Tool[Any]:
    """Make a tool with a histogram of latencies for each operation.

    Args:
        module: its ``__name__``.
        of: the file system.
    """
    name = f"{of.name}dist"
    return Tool(
        module,
        probes=timed(of, count),
        report=take,
        layout=Stamped(notimestamp),
        header=f"Tracing {of.name} operation latency... Hit Ctrl-C to end.",
        filters=FILTERS,
        examples=f"""
            {name}                # operation latency as histograms, at Ctrl-C
            {name} -p 181         # trace process 181 only
            {name} 1 10           # 1 second summaries, 10 times
            {name} -m 5           # 5 second summaries, in milliseconds
        """,
    )


class _Kilobytes(Column):
    """A number of bytes, shown in units of 1024."""

    def cell(self, value: Any) -> str:
        return super().cell(value // 1024)


def header_of(what: str, session: Session) -> str:
    """Say what is traced, with the threshold."""
    limit = session.option(min_ns)
    return f"Tracing {what}" + (f" slower than {limit / _NS:g} ms" if limit else "")


def _letter(_: Session, operation: Any) -> str:
    return _LETTERS[operation.what]


def slower(module: str, of: FileSystem) -> Tool[None]:
    """Make a tool with a line for each operation that takes long.

    Args:
        module: its ``__name__``.
        of: the file system.
    """
    name = f"{of.name}slower"

    def header(session: Session) -> str:
        return "" if session.option(csv) else header_of(f"{of.name} operations", session)

    return Tool(
        module,
        probes=timed(of, send),
        header=header,
        lines=Lines(
            operations,
            Clock("TIME", 8, value=lambda _, op: op.ended_ns),
            Column("COMM", 14, cut=True),
            Column("PID", 7),
            Column("T", 1, field="type", value=_letter),
            Column("BYTES", 7, value=lambda _, op: op.ret),
            _Kilobytes("OFF_KB", 8, field="offset"),
            Column(
                "LAT(ms)", 7, ">", ".2f", field="latency_ms", value=lambda _, op: op.took_ns / _NS
            ),
            Column("FILENAME", 0, field="file"),
            csv=Csv(
                csv,
                Column("ENDTIME_us", 0, value=lambda _, op: op.ended_ns // 1000),
                Column("TASK", 0, field="comm"),
                Column("PID", 0),
                Column("TYPE", 0, value=_letter),
                Column("BYTES", 0, field="ret"),
                Column("OFFSET_b", 0, field="offset"),
                Column("LATENCY_us", 0, value=lambda _, op: op.took_ns // 1000),
                Column("FILE", 0),
            ),
        ),
        filters=FILTERS,
        examples=f"""
            {name}                # trace operations slower than 10 ms
            {name} 1              # slower than 1 ms
            {name} -j 1           # the same, as comma-separated values
            {name} 0              # all operations: may be many
            {name} -p 185         # of process 185 only
            {name} -d 10          # for 10 seconds
        """,
    )
