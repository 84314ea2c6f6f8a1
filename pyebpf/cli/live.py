"""A screen that obeys keys: by which column it is sorted, whether it stands still, when it ends.

The terminal sends keys at once and does not show them while :class:`Live` is entered; it is as it
was on every way out, while the program is stopped (Ctrl-Z), and in the background.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pyebpf.cli import output
from pyebpf.plain import Frozen

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from pyebpf.cli.layout import Screen
    from pyebpf.session import Session

_HOME, _TO_LINE_END, _TO_END = "\x1b[H", "\x1b[K", "\x1b[J"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_ABOVE = 3  # lines before the first row
_KEYS = "< > or 1-9 sort, r reverse, p pause, q quit"
#: What arrows send, as the keys that mean the same.
_ARROWS = {b"\x1b[D": b"<", b"\x1b[C": b">", b"\x1bOD": b"<", b"\x1bOC": b">"}
#: Signals that end a program without further ado.
_DEADLY = (signal.SIGQUIT, signal.SIGHUP)
_LFLAG, _CC = 3, 6  # places in what tcgetattr gives


class Sorting(Frozen):
    """An order of rows.

    Attributes:
        by: the number of a column; -1 is the order that the tool reports in.
        reverse: it is turned round.
    """

    by: int = -1
    reverse: bool = False

    def of(self, rows: list[Any], names: list[str]) -> list[Any]:
        """Return rows in this order: text from A to Z, numbers from the greatest, None at the end.

        Args:
            rows: mappings.
            names: the fields of the columns.
        """
        if self.by < 0:
            return rows[::-1] if self.reverse else rows
        name = names[self.by]
        known = [row for row in rows if row.get(name) is not None]
        downwards = any(isinstance(row[name], str) for row in known) == self.reverse
        unknown = [row for row in rows if row.get(name) is None]
        return sorted(known, key=lambda row: row[name], reverse=downwards) + unknown


class Live:
    """The screens of one run of a tool.

    Args:
        layout: how they look.
        session: what they are of.
        limit: how many rows there are at most.
        end: called when somebody wants to quit.

    Attributes:
        is_paused: the screen stands still; what is counted meanwhile is in the next one.
    """

    def __init__(
        self, layout: Screen, session: Session, limit: int, end: Callable[[], None]
    ) -> None:
        self.is_paused = False
        self._layout, self._session, self._limit, self._end = layout, session, limit, end
        self._names = [column.name for column in layout.shown]
        self._rows: list[Any] = []
        self._sorting = Sorting()
        self._head: str | None = None  # of the screen; none was drawn yet
        self._input, self._size = sys.stdin.fileno(), os.terminal_size((0, 0))
        self._before: list[Any] | None = None
        self._handlers: dict[int, Any] = {}

    @staticmethod
    def is_possible() -> bool:
        """Tell whether somebody sits at the terminal who can press keys."""
        try:
            return sys.stdin is not None and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
        except (OSError, ValueError):
            return False  # no terminal, or one that sends us no signals

    def __enter__(self) -> Self:
        own: dict[int, Callable[[int, Any], None]] = dict.fromkeys(_DEADLY, self._die)
        with suppress(ValueError):  # outside of the main thread, signals are somebody else's
            for number, handler in {signal.SIGTSTP: self._stop, **own}.items():
                if signal.getsignal(number) == signal.SIG_DFL:
                    self._handlers[number] = signal.signal(number, handler)
        self._take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._give_back()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _take(self) -> None:
        """Have the terminal send keys at once; Ctrl-C and Ctrl-Z still are signals."""
        self._before = termios.tcgetattr(self._input)
        own = termios.tcgetattr(self._input)
        own[_LFLAG] &= ~(termios.ICANON | termios.ECHO)
        own[_CC][termios.VMIN], own[_CC][termios.VTIME] = 0, 0
        termios.tcsetattr(self._input, termios.TCSADRAIN, own)
        self._write(_HIDE_CURSOR)

    def _give_back(self) -> None:
        before, self._before = self._before, None
        if before is None:
            return
        self._write(_SHOW_CURSOR)
        try:
            termios.tcsetattr(self._input, termios.TCSADRAIN, before)
        except termios.error:
            return  # the terminal is gone

    @staticmethod
    def _write(text: str) -> None:
        try:
            os.write(sys.stdout.fileno(), text.encode())
        except OSError:
            return  # nobody is there who could see a cursor

    def _stop(self, *_: object) -> None:
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)  # here it stands until it is continued
        self._size = os.terminal_size((0, 0))  # whatever is on the screen now, it is not ours

    def _die(self, number: int, _: object) -> None:
        self._give_back()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    def _is_ours(self) -> bool:
        """Tell whether the terminal is ours, not another job's; take it if it has become so."""
        try:
            is_ours = os.tcgetpgrp(self._input) == os.getpgrp()
        except OSError:
            return False  # it is gone
        if is_ours and self._before is None:
            self._take()
        return is_ours

    def nap(self, seconds: float) -> bool:
        """Wait for a key, so many seconds at most; tell whether there is one."""
        if not self._is_ours():
            time.sleep(seconds)
            return False
        return bool(select.select([self._input], [], [], seconds)[0])

    def obey(self, _: Session) -> None:
        """Do what keys ask for, and draw again if that or another size makes a difference.

        Raises:
            OutputError: nobody sees it.
        """
        if not self._is_ours():
            return
        keys = self._keys()
        for key in keys:
            self._press(key)
        if self._head is not None and (keys or self._size != _size()):
            output.write(self._drawn())

    def _keys(self) -> str:
        """Return the keys that were pressed."""
        if not select.select([self._input], [], [], 0)[0]:
            return ""
        found = os.read(self._input, 1024)
        if not found:
            self._end()  # the terminal has hung up
        for arrow, key in _ARROWS.items():
            found = found.replace(arrow, key)
        return found.decode("latin-1")

    def _press(self, key: str) -> None:
        count = len(self._names)
        if key in "<>":
            step = 1 if key == ">" else -1
            self._sorting = Sorting((self._sorting.by + 1 + step) % (count + 1) - 1)
        elif "0" < key <= "9" and int(key) <= count:
            self._sorting = Sorting(int(key) - 1)
        elif key == "r":
            self._sorting = self._sorting.replace(reverse=not self._sorting.reverse)
        elif key in "p ":
            self.is_paused = not self.is_paused
        elif key == "q":
            self._end()

    def text(self, rows: list[Any]) -> str:
        """Return the screen of a result."""
        self._rows, self._head = rows, self._layout.head(self._session)
        return self._drawn()

    def _drawn(self) -> str:
        self._size = _size()
        columns, lines = self._size
        shown = self._sorting.of(self._rows, self._names)
        shown = shown[: max(min(self._limit or len(shown), lines - _ABOVE - 1), 0)]
        text = f"{self._head}\n{self._status()}\n{self._layout.body(shown)}"
        fits = text.removesuffix("\n").split("\n")[: lines - 1]
        cut = "".join(f"{line[:columns]}{_TO_LINE_END}\n" for line in fits)
        return f"{_HOME}{cut}{_TO_END}"

    def _status(self) -> str:
        by = self._layout.shown[self._sorting.by].title if self._sorting.by >= 0 else "as reported"
        turned = ", reversed" if self._sorting.reverse else ""
        paused = "PAUSED  " if self.is_paused else ""
        return f"{paused}sorted: {by}{turned}  ({_KEYS})"


def _size() -> os.terminal_size:
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        return os.terminal_size((80, 24))
    return size if all(size) else os.terminal_size((80, 24))
