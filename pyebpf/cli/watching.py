"""A line at a terminal that says what takes long, while it does, and then is gone.

It is on standard error, if that is a terminal that can erase, and only after half a second.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from pyebpf import progress
from pyebpf.lazy import lazy
from pyebpf.present.escape import printable

if TYPE_CHECKING:
    import threading
    import time

    from pyebpf.progress import Step
else:
    threading, time = lazy("threading"), lazy("time")  # where nobody watches, they are not needed

DELAY_S, _AGAIN_S = 0.5, 0.2
_ERASED = "\r\x1b[K"


class Line:
    """What is being done, on a line of a terminal. A thread of its own draws it.

    Args:
        stream: the terminal.
        delay_s: what ends sooner is not told.
    """

    def __init__(self, stream: TextIO, delay_s: float = DELAY_S) -> None:
        self._stream, self._delay_s = stream, delay_s
        self._steps: list[Step] = []
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._began = 0.0
        self._drawn = ""

    def begin(self, step: Step) -> None:
        """Something begins; the outermost has a thread."""
        with self._lock:
            self._steps.append(step)
        if self._thread is None:
            self._began, self._over = time.monotonic(), threading.Event()
            self._thread = threading.Thread(target=self._draw, args=(self._over,), daemon=True)
            self._thread.start()

    def end(self, step: Step) -> None:
        """It has ended; with the last one, the line is gone."""
        with self._lock:
            self._steps = [other for other in self._steps if other is not step]
        if not self._steps:
            self.close()

    def close(self) -> None:
        """Draw nothing any more, until something begins."""
        self._over.set()  # first: a Ctrl-C may come at any time
        self._steps, thread, self._thread = [], self._thread, None
        if thread is not None:
            thread.join()
        self.make_way()

    def make_way(self) -> None:
        """Erase the line; if what it says takes longer, it is drawn again."""
        with self._lock:
            if self._drawn:
                self._drawn = ""
                self._write(_ERASED)

    def _draw(self, over: threading.Event) -> None:
        if over.wait(self._delay_s):
            return
        while not over.is_set():
            with self._lock:
                if self._steps and (text := self._text()) != self._drawn:
                    self._drawn = text
                    self._write(f"\r{text}\x1b[K")
            over.wait(_AGAIN_S)

    def _text(self) -> str:
        step, seconds = self._steps[-1], time.monotonic() - self._began
        parts = f": {step.done:,} of {step.total:,}" if step.total > 1 else ""
        text = f"{printable(step.what)}{parts} … {seconds:.0f} s"
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            columns = 80
        return text[: columns - 1]

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            return  # the terminal is gone


@contextmanager
def at_terminal() -> Iterator[None]:
    """Tell of what takes long meanwhile, if there is a terminal to tell it at."""
    if progress.is_watched() or not _can_erase(sys.stderr):
        yield
        return
    line = Line(sys.stderr)
    try:
        with progress.watched_by(line):
            yield
    finally:
        line.close()


def _can_erase(stream: TextIO | None) -> bool:
    try:
        is_terminal = stream is not None and stream.isatty()
    except ValueError:
        return False  # it is closed
    return is_terminal and os.environ.get("TERM", "dumb") != "dumb"
