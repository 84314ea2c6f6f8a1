"""Where pictures are shown that change: a notebook's output, a terminal, a file.

IPython is found if it runs, and never imported for its own sake.
"""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from pyebpf.present.picture import Picture

_UP, _TO_LINE_END, _TO_END = "\x1b[{}F", "\x1b[K", "\x1b[J"


class Display(Protocol):
    """Shows one picture after the other."""

    def show(self, picture: Picture) -> None:
        """Show a picture in place of the last one."""
        ...


class Notebook:
    """An output of a cell, which is replaced."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, picture: Picture) -> None:
        """Show a picture in place of the last one."""
        if self._handle is None:
            display = import_module("IPython.display").display
            self._handle = display(picture, display_id=True)
        else:
            self._handle.update(picture)


class Terminal:
    """Lines of a terminal, which are written again."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines = 0

    def show(self, picture: Picture) -> None:
        """Show a picture in place of the last one, as much of it as there is room for."""
        size = os.get_terminal_size(self._stream.fileno())
        columns, height = size.columns or 80, size.lines or 24
        lines = picture.text.split("\n")
        if len(lines) >= height:  # what is above the screen cannot be written again
            lines = [*lines[: max(height - 2, 0)], lines[-1]]
        up = _UP.format(self._lines) if self._lines else ""
        text = "".join(f"{line[:columns]}{_TO_LINE_END}\n" for line in lines)
        self._stream.write(f"{up}{text}{_TO_END}")
        self._stream.flush()
        self._lines = len(lines)


class Log:
    """A file, a pipe, or a terminal that others write to: what changed is written below."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = ""

    def show(self, picture: Picture) -> None:
        """Write a picture unless it is the last one, but for the seconds in its last line."""
        content = re.sub(r"[^\n]*\Z", "", picture.text)
        if content != self._last:
            self._stream.write(f"{picture.text}\n")
            self._stream.flush()
        self._last = content


def shell() -> Any:
    """Return IPython's shell if we are run by one, else None."""
    found = sys.modules.get("IPython")
    return found.get_ipython() if found is not None and hasattr(found, "get_ipython") else None


def is_notebook() -> bool:
    """Tell whether we are run by something that shows HTML."""
    running = shell()
    return running is not None and "text/html" in running.display_formatter.active_types


def display(*, shared: bool = False) -> Display:
    """Return where to show pictures.

    Args:
        shared: others write to the output meanwhile, so that a terminal's lines move.
    """
    if is_notebook():
        return Notebook()
    is_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return Terminal(sys.stdout) if is_terminal and not shared else Log(sys.stdout)
