"""What a tool writes: text or JSON on standard output, what was lost on standard error."""

from __future__ import annotations

import importlib
import os
import stat
import sys
import time
from typing import TYPE_CHECKING, Any

from pyebpf import colour, headstart, progress
from pyebpf.errors import PyebpfError
from pyebpf.lazy import lazy
from pyebpf.present.escape import printable

if TYPE_CHECKING:
    import shutil
    from collections.abc import Callable, Container, Iterable, Mapping
else:
    shutil = lazy("shutil")  # few starts need it

#: What began this process, up to the module or the file: ``python -m pyebpf``.
_BEGUN = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]
#: The map that carries what ``print`` in a probe says, as ``Session.lost`` calls it.
_PRINT = "print"


class OutputError(Exception):
    """Standard output takes no more.

    Attributes:
        is_closed: whoever read it is gone, which is no fault of anybody.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write to standard output: {error.strerror}")
        self.is_closed = isinstance(error, BrokenPipeError)


def write(text: str) -> None:
    """Write to standard output, at once.

    Raises:
        OutputError: it cannot be written to.
    """
    if sys.stdout is None:  # closed before Python started
        raise OutputError(OSError(9, "Bad file descriptor"))
    try:
        progress.make_way()
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as err:
        drop_the_rest()
        raise OutputError(err) from None


def announce(text: str) -> None:
    """Write what says that the probes are attached, if a head start has not.

    Raises:
        OutputError: it cannot be written.
    """
    if left := headstart.own.unsaid(text):
        write(left)


def drop_the_rest() -> None:
    """Let nothing more be written: Python writes its buffer at exit, and would complain again."""
    try:
        fd = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, fd)
    os.close(null)


def tolerate_any_text() -> None:
    """Let characters that the terminal's encoding lacks come out as escapes, not as errors."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def write_by_lines() -> None:
    """Let each line that ``print`` writes come out at once, also into a pipe."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)


def complain(program: str, text: str) -> None:
    """Write a message to standard error; if that is gone too, there is nobody to tell.

    Diagnostics in it are in colours if a terminal, ``NO_COLOR`` or ``FORCE_COLOR`` says so.
    """
    try:
        text = colour.paint(text) if colour.wanted(sys.stderr) else text
        progress.make_way()
        sys.stderr.write(f"{program}: {text}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return


def reason(error: Exception) -> str:
    """Return what an exception says; of a system call's, about which file, and no number."""
    if isinstance(error, PyebpfError) or not isinstance(error, OSError) or not error.strerror:
        return str(error)
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return ": ".join([*names, error.strerror])


def typed(program: str) -> str:
    """Return how somebody has run a program or a tool, for hints to be copied."""
    *before, last = _BEGUN or [""]
    name = last.rpartition(".")[2] if "-m" in before else os.path.basename(last)  # noqa: PTH119
    if name == "pyebpf" and "-m" not in before:  # the installed program; its Python was not typed
        before = []
        last = name if shutil.which(name) == last else last
    if name.removesuffix(".py") == program:
        return " ".join([*before, last])
    if name in ("pyebpf", "tools"):
        return " ".join([*before, last] + [program] * (program != "pyebpf"))
    return program


def columns() -> int:
    """Return how many characters a line of the terminal has; 0 if output goes elsewhere."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 0


def write_file(path: str, data: bytes) -> None:
    """Write a file, or what is there instead of one; no half of a file is left.

    Raises:
        OSError: it cannot be written; the error names it.
    """
    with open(path, "wb", buffering=0) as file:  # noqa: PTH123 - as the rest of this package
        try:
            left = memoryview(data)
            while left:
                left = left[file.write(left) :]
        except OSError as err:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                os.unlink(path)  # noqa: PTH108
            err.filename = path  # a disk that is full says of none
            raise


def clock() -> str:
    """Return the time of day as BCC's ``-T`` prints it."""
    return time.strftime("%H:%M:%S")


def json_lines(result: Any) -> str:
    """Return a result as JSON lines, with the time in each object; empty if there is nothing."""
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    for method in ("to_json_lines", "to_json_line"):
        if hasattr(result, method):
            text: str = getattr(result, method)(ts=now)
            return f"{text}\n" if text else ""
    # By name: it imports numpy, which a tool needs only after its probes are attached.
    line = importlib.import_module("pyebpf.present.jsonl").line
    rows = result if isinstance(result, list) else [result]
    return "".join(f"{line({'ts': now, **_fields(row)})}\n" for row in rows)


def teller(form: Container[str]) -> Callable[[str], None]:
    """Return what writes lines that probes print, so that they fit what else is printed.

    Args:
        form: ``"json"``, which makes objects of them, ``"csv"``, which has no rows for them, so
            that they go to standard error, or neither.
    """
    if "json" in form:
        return lambda line: write(json_lines({"printed": line.rstrip("\n")}))
    return _write_beside if "csv" in form else write


def _write_beside(line: str) -> None:
    print(line, end="", file=sys.stderr, flush=True)


class CsvRows:
    """Makes comma-separated values of results: names first, the time in each."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def text(self, result: Any) -> str:
        """Return the lines of a result, below the names if it is the first with any row."""
        rows = _rows_of(result)
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        out: list[str] = []
        if rows and not self._names:
            self._names = ["ts", *rows[0]]
            out.append(csv_line(self._names))
        out += (csv_line([now, *row.values()]) for row in rows)
        return "".join(f"{line}\n" for line in out)


def _rows_of(result: Any) -> list[Mapping[str, Any]]:
    """Return a result as rows: what there is of histograms, stacks and their like, or of lists."""
    if hasattr(result, "to_rows"):
        rows: list[Mapping[str, Any]] = result.to_rows()
        return rows
    if isinstance(result, list):
        return [row for each in result for row in _rows_of(each)]
    return [_fields(result)]


def csv_line(values: Iterable[Any]) -> str:
    """Return values with commas between them, as JSON has them; text is safe for a terminal.

    Of several texts in one value the sign between them is ``;``.
    """
    # By name: it imports numpy, which a tool needs only after its probes are attached.
    jsonl = importlib.import_module("pyebpf.present.jsonl")

    def text(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, list):
            value = ";".join(map(str, value))
        return printable(value if isinstance(value, str) else jsonl.line(value))

    return ",".join(csv_cell(text(jsonl.plain(value))) for value in values)


def csv_cell(text: str) -> str:
    """Return one value that is safe to print; in quotes, if it has commas or quotes itself."""
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text


def _fields(row: Any) -> Mapping[str, Any]:
    if hasattr(row, "to_dict"):
        fields: Mapping[str, Any] = row.to_dict()
        return fields
    return row if isinstance(row, dict) else {"value": row}


class Losses:
    """Says what was lost since it last said so.

    Args:
        printed: the map whose records are printed as lines, besides what ``print`` says.
    """

    def __init__(self, printed: str = _PRINT) -> None:
        self._printed = (_PRINT, printed)
        self._told: dict[str, int] = {}

    def news(self, lost: Mapping[str, int]) -> list[str]:
        """Return a message for each map that has refused something since."""
        new = {name: count - self._told.get(name, 0) for name, count in lost.items()}
        self._told = dict(lost)
        return [self._loss(name, count) for name, count in new.items() if count > 0]

    def _loss(self, name: str, count: int) -> str:
        if name in self._printed:
            lines = f"{count} lines are missing"
            return f"{lines}: they came faster than they could be printed; trace less"
        return (
            f"map {name!r} was full: {count} updates were refused, so what is shown is too little; "
            f"trace less, or give {name!r} more room (max_entries, max_keys, pages)"
        )
