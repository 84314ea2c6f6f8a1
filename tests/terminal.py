"""Programs at a terminal of their own: what is typed there, and what its screen shows."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from tests.programs import ROOT, until

#: What a shell at a terminal leaves to its programs, whoever started the tests.
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP)


def _begin(*, controls: bool) -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    if controls:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A running ``python args…`` at a pseudo-terminal.

    Args:
        args: of Python.
        lines, columns: the size of the terminal.
        controls: it is the one that Ctrl-C is typed at, and whose jobs have a foreground.

    Attributes:
        process: the program.
        device: the side of the terminal that it has.
        before: how the terminal was set.
        seen: all that was printed.
    """

    def __init__(
        self, *args: str, lines: int = 24, columns: int = 80, controls: bool = True
    ) -> None:
        self._own, self.device = os.openpty()
        self.resize(lines, columns)
        self.before = termios.tcgetattr(self.device)
        self.seen = ""
        self.process = subprocess.Popen(
            [sys.executable, *args],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
            stdin=self.device,
            stdout=self.device,
            stderr=self.device,
            start_new_session=True,
            preexec_fn=partial(_begin, controls=controls),  # noqa: PLW1509
        )

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self._own, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self._own, keys.encode())

    def wait(self, condition: Callable[[], bool]) -> None:
        """Read what is printed until something is so."""

        def is_so() -> bool:
            self._read()
            return condition()

        until(is_so)

    def _read(self) -> None:
        with suppress(OSError):  # nobody has the other side any more
            while select.select([self._own], [], [], 0)[0]:
                self.seen += os.read(self._own, 65_536).decode()

    def screens(self) -> list[list[str]]:
        """Return the lines of each screen that was drawn whole."""
        self._read()
        drawn = [part.partition("\x1b[J") for part in self.seen.split("\x1b[H")[1:]]
        return [text.replace("\x1b[K", "").splitlines() for text, end, _ in drawn if end]

    def screen(self, condition: Callable[[list[str]], bool]) -> list[str]:
        """Wait until the last screen is as it should be, and return its lines."""
        self.wait(lambda: bool((drawn := self.screens()) and condition(drawn[-1])))
        return self.screens()[-1]

    def is_stopped(self) -> bool:
        """Tell whether the program stands still, as Ctrl-Z has it."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        return stat.rpartition(")")[2].split()[0] == "T"

    def end(self) -> int:
        """Wait until the program has ended, and return its exit code."""
        self.wait(lambda: self.process.poll() is not None)
        self._read()
        code: int = self.process.returncode
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._own)
        os.close(self.device)


@contextmanager
def at_terminal(
    *args: str, lines: int = 24, columns: int = 80, controls: bool = True
) -> Iterator[Terminal]:
    """Run ``python args…`` at a terminal; both are gone at the end, whatever happened."""
    terminal = Terminal(*args, lines=lines, columns=columns, controls=controls)
    try:
        yield terminal
    finally:
        terminal.close()
